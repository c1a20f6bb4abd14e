using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>curl's malformed replies as the answers of an upstream; its WebSocket ones through an upgraded connection.</summary>
[TestMethodOrderer<SummaryLast>]
public sealed class CurlReplyTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    // What is wrong with them is the client's affair: a broken content coding (RFC 9110, 8.4), a demand for a password.
    private static readonly int[] Passed = [221, 1079];

    // Broken content codings too, but with less than their Content-Length: passed as far as they go, and cut.
    private static readonly int[] Cut = [223, 315];

    public static TheoryData<string> Replies => [.. CurlReplyCases.ByName.Keys];

    public static TheoryData<string> WebSockets => [.. CurlReplyCases.WebSocketsByName.Keys];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Replies))]
    public Task Answer_is_judged_right(string name) => fixture.CheckAsync(CurlReplyCases.ByName[name]);

    /// <summary>What is in the frames is for the two ends; the proxy hands bytes over, and the end.</summary>
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(WebSockets))]
    public async Task Upgraded_bytes_pass_unchanged(string name)
    {
        var (head, frames) = CurlReplyCases.WebSocketsByName[name];
        var path = $"/{name.Split(' ')[0]}";
        fixture.Origin.Script(path, new OriginScript(async reply =>
        {
            reply.IsTunnel = true;
            await reply.SendAsync([.. head, .. frames]);
            reply.Close();
        }));
        await using var client = await RawClient.ConnectAsync(fixture.Proxy.Port, TestContext.Current.CancellationToken);
        await client.SendAsync(WireText.Bytes(
            $"GET {path} HTTP/1.1\r\nHost: curl.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: NDMyMTUzMjE2MzIxNzMyMQ==\r\n\r\n"));
        var read = await client.ReadAnswerAsync("GET");
        Assert.True(read is { State: AnswerState.Complete, Answer.Status: 101 }, read.Show());
        Assert.Equal("websocket", read.Answer!.Value("Upgrade"), ignoreCase: true);
        Assert.NotEqual(ClientEnd.StillOpen, await client.ReadToEndAsync());
        Assert.Equal(WireText.Show(frames), WireText.Show(client.Unread));
        Assert.Null(await Canary.Next().SingOnNewConnectionAsync(fixture.Proxy.Port, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Corpus_is_whole_and_its_good_answers_are_passed()
    {
        Assert.SkipWhen(Corpora.Folder("curl") == null, Corpora.Absent);
        Assert.InRange(CurlCorpus.All.Count, 60, int.MaxValue);
        Assert.All(Passed, number => Assert.Contains(ReplyRuling.Pass, Rulings(number)));
        Assert.All(Cut, number => Assert.Contains(ReplyRuling.BadBody, Rulings(number)));
    }

    [Fact]
    public void Verdicts_are_summed_up()
    {
        Assert.SkipWhen(Corpora.Folder("curl") == null, Corpora.Absent);
        TestContext.Current.TestOutputHelper?.WriteLine(fixture.Tally.Summary("curl replies", fixture.Proxy.Name));
        Assert.Equal(fixture.Tally.All, fixture.Tally.Right);
    }

    private static IEnumerable<ReplyRuling> Rulings(int number) =>
        CurlReplyCases.ByName.Values.Where(reply => reply.Name.StartsWith($"test{number} ", StringComparison.Ordinal)).Select(reply => reply.Ruling);
}
