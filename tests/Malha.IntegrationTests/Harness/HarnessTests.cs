using Malha.IntegrationTests.Guard;

namespace Malha.IntegrationTests.Harness;

/// <summary>Whether the harness would notice: against itself, and against a real proxy with known faults.</summary>
public sealed class HarnessTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Origin_echoes_what_it_got_and_records_it()
    {
        await using var origin = RecordingOrigin.Start();
        await using var client = await RawClient.ConnectAsync(origin.Port, Cancellation);
        var mark = await origin.MarkAsync();
        await client.SendAsync("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloHEAD /two HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        var first = await client.ReadAnswerAsync("POST");
        var second = await client.ReadAnswerAsync("HEAD");
        Assert.Equal("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", WireText.Text(first.Answer!.Body));
        Assert.Equal(200, second.Answer!.Status);
        Assert.Equal(["/echo", "/two"], (await origin.SinceAsync(mark)).Requests.Select(request => request.Message.Target));
        Assert.Empty((await origin.SinceAsync(mark)).Leftovers);
    }

    [Fact]
    public async Task Origin_refuses_and_keeps_what_it_cannot_read_strictly()
    {
        await using var origin = RecordingOrigin.Start();
        await using var client = await RawClient.ConnectAsync(origin.Port, Cancellation);
        var mark = await origin.MarkAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: z\r\n\r\n"u8.ToArray());
        Assert.Equal(400, (await client.ReadAnswerAsync("GET")).Answer!.Status);
        var leftover = Assert.Single((await origin.SinceAsync(mark)).Leftovers);
        Assert.Equal("a bare LF", leftover.Fault);
    }

    [Fact]
    public async Task Origin_plays_a_script_at_the_head()
    {
        await using var origin = RecordingOrigin.Start();
        origin.Script("/early", OriginScript.SendThenReset("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell"u8.ToArray()) with { AtHead = true });
        await using var client = await RawClient.ConnectAsync(origin.Port, Cancellation);
        await client.SendAsync("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n"u8.ToArray());
        Assert.Equal(AnswerState.Truncated, (await client.ReadAnswerAsync("POST")).State);
    }

    [Fact]
    public async Task Client_tells_a_cut_answer_from_a_whole_one()
    {
        await using var origin = RecordingOrigin.Start();
        origin.Script("/cut", OriginScript.SendThenClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"u8.ToArray()));
        origin.Script("/whole", OriginScript.SendThenClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"u8.ToArray()));
        Assert.Equal(AnswerState.Truncated, (await AskAsync(origin.Port, "/cut")).State);
        Assert.Equal(AnswerState.Complete, (await AskAsync(origin.Port, "/whole")).State);
    }

    /// <summary>The known faults of a real proxy, and a request that it handles well: the judge has to see which is which.</summary>
    [Theory]
    [InlineData("field: control byte 0x01 in the value", false)]
    [InlineData("chunk extension: nothing", false)]
    [InlineData("a bare LF that hides a second request", false)]
    [InlineData("field: a bracket in the name", false)]
    [InlineData("OPTIONS *", false)]
    [InlineData("Content-Length: a plus", true)]
    [InlineData("Content-Length 5", true)]
    [InlineData("pipeline: two", true)]
    public async Task Judge_finds_what_is_known_about_nginx(string trap, bool isRight)
    {
        Assert.SkipUnless(PeerProcess.HasNginx, "nginx is not installed (apt-get install nginx-light)");
        await using var origin = RecordingOrigin.Start();
        await using var nginx = await PeerProcess.StartNginxAsync(origin.Url);
        var wrong = await new GuardJudge(nginx, origin, Cancellation).JudgeAsync(KnownTraps.ByName[trap]);
        Assert.True(isRight == (wrong == null), wrong ?? "the judge found nothing");
    }

    private static async Task<AnswerRead> AskAsync(int port, string path)
    {
        await using var client = await RawClient.ConnectAsync(port, Cancellation);
        await client.SendAsync(WireText.Bytes($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        return await client.ReadAnswerAsync("GET");
    }
}
