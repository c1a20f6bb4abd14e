namespace Malha.IntegrationTests.Harness;

/// <summary>
/// A harmless request with a word of its own. When it is answered with its own echo, and the origin has seen exactly it, nothing that was sent
/// before has shifted the messages on that connection.
/// </summary>
internal sealed class Canary
{
    private static int s_count;

    private Canary(string path)
    {
        Path = path;
        Bytes = WireText.Bytes($"GET {path} HTTP/1.1\r\nHost: canary.example\r\n\r\n");
    }

    public string Path { get; }

    public byte[] Bytes { get; }

    public static Canary Next() => new($"/canary/{Interlocked.Increment(ref s_count)}");

    /// <summary>What is wrong; null when the canary lives.</summary>
    public async Task<string?> SingOnAsync(RawClient client)
    {
        if (!await client.SendAsync(Bytes))
            return "the connection was ended before the canary";
        var read = await client.ReadAnswerAsync("GET");
        if (read.State != AnswerState.Complete)
            return $"the canary got {read.Show()}";
        var echo = WireText.Text(read.Answer!.Body);
        return read.Answer.Status == 200 && echo.StartsWith($"GET {Path} HTTP/1.", StringComparison.Ordinal)
            ? null
            : $"the canary got somebody else's answer: {read.Answer.Status} {WireText.Show(read.Answer.Body)}";
    }

    public async Task<string?> SingOnNewConnectionAsync(int port, CancellationToken cancellation)
    {
        await using var client = await RawClient.ConnectAsync(port, cancellation);
        return await SingOnAsync(client) is { } wrong ? $"on a new connection, {wrong}" : null;
    }
}
