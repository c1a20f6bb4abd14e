using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>An upstream or a client that dies in the middle of a message: the other side must see that the message is not whole.</summary>
public sealed class TruncationTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    private const string Length = "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n";
    private const string Chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    private const string HalfUntilTheEnd = "until the end, half";
    private const string UntilTheEnd = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";

    private static int s_count;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static readonly string Half = new('x', 200_000);

    /// <summary>The answer's head and what of its body comes, before a FIN or, as of a killed process, a RST.</summary>
    private static readonly Dictionary<string, (string Head, string Body)> Answers = new()
    {
        ["a length, no body"] = (Length, ""),
        ["a length, one byte"] = (Length, "x"),
        ["a length, half"] = (Length, Half),
        ["a length, all but a byte"] = (Length, new string('x', 399_999)),
        ["chunks, none"] = (Chunks, ""),
        ["chunks, half a size"] = (Chunks, "3"),
        ["chunks, a size"] = (Chunks, "30d40\r\n"),
        ["chunks, half of one"] = (Chunks, "61a80\r\n" + Half),
        ["chunks, one without its line end"] = (Chunks, $"30d40\r\n{Half}"),
        ["chunks, one"] = (Chunks, $"30d40\r\n{Half}\r\n"),
        ["chunks, the last without its line"] = (Chunks, $"30d40\r\n{Half}\r\n0\r\n"),
        ["chunks, half a trailer"] = (Chunks, $"30d40\r\n{Half}\r\n0\r\nX-Sum: 1"),
        [HalfUntilTheEnd] = (UntilTheEnd, Half),
    };

    public static TheoryData<string, bool> CutAnswers()
    {
        var rows = new TheoryData<string, bool>();
        foreach (var name in Answers.Keys)
        {
            rows.Add(name, true);
            // Where the connection's end is the body's end only a RST tells that it is none.
            if (name != HalfUntilTheEnd)
                rows.Add(name, false);
        }
        return rows;
    }

    [Theory]
    [MemberData(nameof(CutAnswers))]
    public async Task Cut_answer_never_looks_whole(string name, bool isReset)
    {
        var read = await AskAsync("HTTP/1.1", name, isReset);
        Assert.True(read.State == AnswerState.Truncated || read.Answer?.Status == 502, $"{name}: {read.Show()}");
        await CheckCanaryAsync();
    }

    /// <summary>A client of HTTP/1.0 knows no chunks: where the length is not known, only a RST tells it that there was no end.</summary>
    [Theory]
    [MemberData(nameof(CutAnswers))]
    public async Task Cut_answer_never_looks_whole_to_an_old_client(string name, bool isReset)
    {
        var read = await AskAsync("HTTP/1.0", name, isReset);
        Assert.True(read.State is AnswerState.Truncated or AnswerState.Nothing || read.Answer?.Status == 502, $"{name}: {read.Show()}");
        await CheckCanaryAsync();
    }

    [Theory]
    [InlineData("a length, no body", "Content-Length: 200000", "", true)]
    [InlineData("a length, some of it", "Content-Length: 200000", "hello", true)]
    [InlineData("a length, some of it, in order", "Content-Length: 200000", "hello", false)]
    [InlineData("chunks, none", "Transfer-Encoding: chunked", "", true)]
    [InlineData("chunks, one", "Transfer-Encoding: chunked", "5\r\nhello\r\n", true)]
    [InlineData("chunks, one, in order", "Transfer-Encoding: chunked", "5\r\nhello\r\n", false)]
    [InlineData("chunks, the last without its line", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", true)]
    public async Task Cut_request_never_becomes_whole_upstream(string name, string field, string body, bool isReset)
    {
        var mark = await fixture.Origin.MarkAsync();
        await using (var client = await RawClient.ConnectAsync(fixture.Proxy.Port, Cancellation))
        {
            await client.SendAsync(WireText.Bytes($"POST /cut HTTP/1.1\r\nHost: cut.example\r\n{field}\r\n\r\n{body}"));
            if (isReset)
                client.Reset();
            else
                client.FinishSending();
            if (!isReset)
                Assert.NotEqual(ClientEnd.StillOpen, await client.ReadToEndAsync());
        }
        var canary = await CheckCanaryAsync();
        var seen = await fixture.Origin.SinceAsync(mark);
        Assert.True(seen.Requests.All(request => request.Message.Target == canary.Path), $"{name}: {seen.Show()}");
        foreach (var leftover in seen.Leftovers)
            await fixture.Origin.Connection(leftover.Connection).Closed.WaitAsync(RawClient.Patience, Cancellation);
    }

    private async Task<Canary> CheckCanaryAsync()
    {
        var canary = Canary.Next();
        var wrong = await canary.SingOnNewConnectionAsync(fixture.Proxy.Port, Cancellation);
        Assert.True(wrong == null, wrong);
        return canary;
    }

    private async Task<AnswerRead> AskAsync(string version, string name, bool isReset)
    {
        var (head, body) = Answers[name];
        var path = $"/cut/{Interlocked.Increment(ref s_count)}";
        var answer = WireText.Bytes(head + body);
        fixture.Origin.Script(path, isReset ? OriginScript.SendThenReset(answer) : OriginScript.SendThenClose(answer));
        await using var client = await RawClient.ConnectAsync(fixture.Proxy.Port, Cancellation);
        await client.SendAsync(WireText.Bytes($"GET {path} {version}\r\nHost: cut.example\r\n\r\n"));
        return await client.ReadAnswerAsync("GET");
    }
}
