using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>An upstream or a client that dies in the middle of a message: the other side must see that the message is not whole.</summary>
public sealed class TruncationTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    private const string Length = "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n";
    private const string Chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    private const string UntilTheEnd = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";

    private static int s_count;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The answer's head, what of its body comes, and whether the end is a FIN or, as of a killed process, a RST.</summary>
    public static TheoryData<string, string, string, bool> CutAnswers()
    {
        var half = new string('x', 200_000);
        var cuts = new (string Name, string Head, string Body)[]
        {
            ("a length, no body", Length, ""),
            ("a length, one byte", Length, "x"),
            ("a length, half", Length, half),
            ("a length, all but a byte", Length, new string('x', 399_999)),
            ("chunks, none", Chunks, ""),
            ("chunks, half a size", Chunks, "3"),
            ("chunks, a size", Chunks, "30d40\r\n"),
            ("chunks, half of one", Chunks, "61a80\r\n" + half),
            ("chunks, one without its line end", Chunks, $"30d40\r\n{half}"),
            ("chunks, one", Chunks, $"30d40\r\n{half}\r\n"),
            ("chunks, the last without its line", Chunks, $"30d40\r\n{half}\r\n0\r\n"),
            ("chunks, half a trailer", Chunks, $"30d40\r\n{half}\r\n0\r\nX-Sum: 1"),
        };
        var rows = new TheoryData<string, string, string, bool>();
        foreach (var (name, head, body) in cuts)
        {
            rows.Add(name, head, body, true);
            rows.Add(name, head, body, false);
        }
        // Where the connection's end is the body's end only a RST tells that it is none.
        rows.Add("until the end, half", UntilTheEnd, half, true);
        return rows;
    }

    [Theory]
    [MemberData(nameof(CutAnswers))]
    public async Task Cut_answer_never_looks_whole(string name, string head, string body, bool isReset)
    {
        var read = await AskAsync("HTTP/1.1", head, body, isReset);
        Assert.True(read.State == AnswerState.Truncated || read.Answer?.Status == 502, $"{name}: {read.Show()}");
        Assert.Null(await Canary.Next().SingOnNewConnectionAsync(fixture.Proxy.Port, Cancellation));
    }

    /// <summary>A client of HTTP/1.0 knows no chunks: where the length is not known, only a RST tells it that there was no end.</summary>
    [Theory]
    [MemberData(nameof(CutAnswers))]
    public async Task Cut_answer_never_looks_whole_to_an_old_client(string name, string head, string body, bool isReset)
    {
        var read = await AskAsync("HTTP/1.0", head, body, isReset);
        Assert.True(read.State is AnswerState.Truncated or AnswerState.Nothing || read.Answer?.Status == 502, $"{name}: {read.Show()}");
        Assert.Null(await Canary.Next().SingOnNewConnectionAsync(fixture.Proxy.Port, Cancellation));
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
        var mark = fixture.Origin.Mark();
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
        var canary = Canary.Next();
        Assert.Null(await canary.SingOnNewConnectionAsync(fixture.Proxy.Port, Cancellation));
        var seen = fixture.Origin.Since(mark);
        Assert.True(seen.Requests.All(request => request.Message.Target == canary.Path), $"{name}: {seen.Show()}");
        foreach (var leftover in seen.Leftovers)
            await fixture.Origin.Connection(leftover.Connection).Closed.WaitAsync(RawClient.Patience, Cancellation);
    }

    private async Task<AnswerRead> AskAsync(string version, string head, string body, bool isReset)
    {
        var path = $"/cut/{Interlocked.Increment(ref s_count)}";
        var answer = WireText.Bytes(head + body);
        fixture.Origin.Script(path, isReset ? OriginScript.SendThenReset(answer) : OriginScript.SendThenClose(answer));
        await using var client = await RawClient.ConnectAsync(fixture.Proxy.Port, Cancellation);
        await client.SendAsync(WireText.Bytes($"GET {path} {version}\r\nHost: cut.example\r\n\r\n"));
        return await client.ReadAnswerAsync("GET");
    }
}
