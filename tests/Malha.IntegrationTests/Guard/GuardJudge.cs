using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>How the bytes arrive.</summary>
internal enum Delivery
{
    Whole,
    ByteByByte,
}

/// <summary>
/// Sends a case to the proxy and judges what came of it, on both sides: the answers, the end of the connection, every byte at the origin, and
/// the canaries after it.
/// </summary>
internal sealed class GuardJudge(ProxyUnderTest proxy, RecordingOrigin origin, CancellationToken cancellation)
{
    private readonly List<string> _wrong = [];
    private readonly List<string> _answers = [];
    private readonly List<Canary> _canaries = [];
    private bool _wasRefused;

    /// <summary>What is wrong, with the transcript; null when all is right.</summary>
    public async Task<string?> JudgeAsync(GuardCase guardCase, Delivery delivery = Delivery.Whole)
    {
        var mark = await origin.MarkAsync();
        await using (var client = await RawClient.ConnectAsync(proxy.Port, cancellation))
        {
            await SendAsync(client, guardCase.Bytes, delivery);
            await ReadForwardedAsync(client, guardCase);
            if (!_wasRefused && _wrong.Count == 0)
                await ReadTailAsync(client, guardCase);
            if (!_wasRefused && _wrong.Count == 0 && guardCase.Tail == GuardTail.Done)
                await SingAsync(client, guardCase.Forwarded);
        }
        var last = Canary.Next();
        _canaries.Add(last);
        Note(await last.SingOnNewConnectionAsync(proxy.Port, cancellation));
        if (!proxy.IsRunning)
            _wrong.Add("the proxy has ended");
        await CompareAsync(guardCase, await origin.SinceAsync(mark), delivery);
        return _wrong.Count == 0 ? null : Transcript(guardCase, await origin.SinceAsync(mark));
    }

    private static async Task SendAsync(RawClient client, byte[] bytes, Delivery delivery)
    {
        if (delivery == Delivery.ByteByByte)
            await client.SendInPiecesAsync(Enumerable.Range(0, bytes.Length).Select(at => (ReadOnlyMemory<byte>)bytes.AsMemory(at, 1)));
        else
            await client.SendAsync(bytes);
    }

    private async Task ReadForwardedAsync(RawClient client, GuardCase guardCase)
    {
        foreach (var sent in guardCase.Forwarded)
        {
            var read = await client.ReadAnswerAsync(sent.Method);
            _answers.Add(read.Show());
            if (guardCase.MayRefuse && read.IsRefusal && read.Answer!.Value("X-Origin-Connection") == null)
            {
                await ReadRefusalEndAsync(client);
                return;
            }
            if (read.State != AnswerState.Complete || read.Answer!.Status != 200)
                _wrong.Add($"{sent.Method} {sent.Target} was answered: {read.Show()}");
            else if (read.Answer.Value("X-Origin-Connection") == null)
                _wrong.Add($"{sent.Method} {sent.Target} was not answered by the origin");
            if (_wrong.Count > 0)
                return;
        }
    }

    private async Task ReadTailAsync(RawClient client, GuardCase guardCase)
    {
        if (guardCase.Tail == GuardTail.Refused)
            await ReadRefusalAsync(client, guardCase);
        if (guardCase.Tail == GuardTail.Unfinished)
            await ReadUnfinishedAsync(client);
        if (guardCase.Tail == GuardTail.NotProcessed && (await client.ReadToEndAsync() == ClientEnd.StillOpen || client.Unread.Length > 0))
            _wrong.Add($"the connection was not ended after the last answer: {WireText.Show(client.Unread)}");
    }

    private async Task ReadRefusalAsync(RawClient client, GuardCase guardCase)
    {
        // A reader may wait for the end of the line before it judges it: after a while it is told that nothing more will come.
        var method = guardCase.Forwarded.Count == 0 && guardCase.Bytes.AsSpan().StartsWith("HEAD "u8) ? "HEAD" : "GET";
        var read = await client.ReadAnswerAsync(method, TimeSpan.FromSeconds(1));
        if (read.State == AnswerState.TimedOut)
        {
            client.FinishSending();
            read = await client.ReadAnswerAsync(method);
        }
        _answers.Add(read.Show());
        if (read.Answer?.Value("X-Origin") != null)
            _wrong.Add("the origin had to refuse it");
        else if (!read.IsRefusal && !(read.State == AnswerState.Nothing && guardCase.IsCut))
            _wrong.Add($"it was not refused: {read.Show()}");
        else if (read.IsRefusal && guardCase.Statuses.Count > 0 && !guardCase.Statuses.Contains(read.Answer!.Status))
            _wrong.Add($"it was refused with {read.Answer.Status} instead of {string.Join(" or ", guardCase.Statuses)}");
        else
            await ReadRefusalEndAsync(client);
    }

    private async Task ReadRefusalEndAsync(RawClient client)
    {
        _wasRefused = true;
        if (await client.ReadToEndAsync() == ClientEnd.StillOpen)
            _wrong.Add("the connection stayed open after the refusal");
        if (client.Unread.Length > 0)
            _wrong.Add($"something followed the refusal: {WireText.Show(client.Unread)}");
    }

    private async Task ReadUnfinishedAsync(RawClient client)
    {
        client.FinishSending();
        var read = await client.ReadAnswerAsync("GET");
        _answers.Add(read.Show());
        if (read.State is AnswerState.Complete && !read.IsRefusal)
            _wrong.Add($"an unfinished request was answered: {read.Show()}");
        if (read.State is AnswerState.Malformed or AnswerState.Truncated)
            _wrong.Add($"an unfinished request got no whole answer: {read.Show()}");
        if (await client.ReadToEndAsync() == ClientEnd.StillOpen)
            _wrong.Add("the connection stayed open after its end");
    }

    private async Task SingAsync(RawClient client, IReadOnlyList<WireRequest> forwarded)
    {
        if (forwarded.Count == 0 || !forwarded[^1].KeepsConnection)
            return;
        var canary = Canary.Next();
        _canaries.Add(canary);
        Note(await canary.SingOnAsync(client));
    }

    private async Task CompareAsync(GuardCase guardCase, OriginSeen seen, Delivery delivery)
    {
        var canaries = _canaries.Select(canary => canary.Path).ToHashSet();
        foreach (var path in canaries.Where(path => seen.Requests.Count(request => request.Message.Target == path) != 1))
            _wrong.Add($"the origin did not see the canary {path} once");
        var forwarded = seen.Requests.Where(request => !canaries.Contains(request.Message.Target)).ToList();
        var expected = _wasRefused && guardCase.MayRefuse ? [] : guardCase.Forwarded;
        if (forwarded.Count != expected.Count)
            _wrong.Add($"the origin saw {forwarded.Count} requests instead of {expected.Count}");
        foreach (var (sent, got) in expected.Zip(forwarded))
            _wrong.AddRange(Faithful.Differences(sent, got.Message));
        // Bytes that are no whole request may be there only where a good beginning was streamed before its fault or its end came.
        var mayHaveBegun = guardCase.Tail == GuardTail.Unfinished || (delivery != Delivery.Whole && _wasRefused);
        foreach (var leftover in seen.Leftovers)
        {
            if (!mayHaveBegun || leftover.Fault != null)
                _wrong.Add($"the origin got bytes that are no whole request ({leftover.Fault ?? "unfinished"})");
            else if (!await EndsAsync(leftover.Connection))
                _wrong.Add("the upstream connection of an unfinished request stayed open");
        }
    }

    private async Task<bool> EndsAsync(int connection)
    {
        try
        {
            await origin.Connection(connection).Closed.WaitAsync(RawClient.Patience, cancellation);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private void Note(string? wrong)
    {
        if (wrong != null)
            _wrong.Add(wrong);
    }

    private string Transcript(GuardCase guardCase, OriginSeen seen) => $"""
        {guardCase.Name} ({guardCase.Kind}) through {proxy.Name}:
        {string.Join('\n', _wrong.Select(wrong => $"  - {wrong}"))}
        Sent:
        {WireText.Show(guardCase.Bytes)}
        Answered:
        {string.Join('\n', _answers.Select(answer => $"  {answer}"))}
        At the origin:
        {seen.Show()}
        The proxy's last words:
        {(proxy.Output.Length > 1500 ? proxy.Output[^1500..] : proxy.Output)}
        """;
}
