using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Expect and 1xx answers, and answers that come before the request has ended.</summary>
public sealed class InterimTests
{
    private const string Expecting = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

    [Fact]
    public async Task Client_sends_its_body_when_the_server_says_continue()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadHeadAsync() is { } head)
            {
                Assert.Contains("Expect: 100-continue\r\n", head, StringComparison.Ordinal);
                Assert.Equal(0, peer.Unread.Length);
                await peer.SendAsync("HTTP/1.1 100 Continue\r\n\r\n");
                await peer.SendAsync(ScriptedOrigin.Answer(await peer.ReadTextAsync(5)));
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        for (var round = 0; round < 3; round++)
        {
            await client.SendAsync(Expecting);
            Assert.Equal(100, (await client.ReadAnyAnswerAsync()).Status);
            await client.SendAsync("hello");
            var answer = await client.ReadAnyAnswerAsync();
            Assert.Equal((200, "hello"), (answer.Status, WireText.Text(answer.Body)));
            Assert.True(answer.KeepsConnection);
        }
    }

    [Theory]
    [InlineData(417)]
    [InlineData(413)]
    [InlineData(200)]
    public async Task Final_answer_instead_of_continue_reaches_the_client_and_ends_the_connection(int status)
    {
        var ended = new TaskCompletionSource<ClientEnd>();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync(ScriptedOrigin.Answer("no need", status: status));
            ended.SetResult(await peer.ReadToEndAsync());
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Expecting);
        var answer = await client.ReadAnswerAsync();
        Assert.Equal((status, "no need", "close"), (answer.Status, WireText.Text(answer.Body), answer.Value("Connection")));
        // The client does not send the body then, and the server must not take the next bytes for it.
        Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
        Assert.NotEqual(ClientEnd.StillOpen, await ended.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Server_that_never_says_continue_gets_the_body_once_the_client_stops_waiting()
    {
        var headArrived = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            headArrived.SetResult();
            await peer.SendAsync(ScriptedOrigin.Answer(await peer.ReadTextAsync(5)));
        });
        var time = new FakeTimeProvider();
        await using var gateway = TestGateway.Before(origin, time: time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Expecting);
        await headArrived.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
        // Longer than the grace of the minimum rate: the client is not slow, it waits for the server.
        time.Advance(TimeSpan.FromSeconds(9));
        await client.SendAsync("hello");
        Assert.Equal("hello", WireText.Text((await client.ReadAnswerAsync()).Body));
    }

    [Fact]
    public async Task Server_that_says_nothing_to_an_expectation_is_a_deadline_and_not_a_slow_client()
    {
        var headArrived = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            headArrived.SetResult();
            await peer.DrainAsync();
        });
        var time = new FakeTimeProvider();
        await using var gateway = TestGateway.Before(origin, service: "timeout: 30s", time: time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Expecting);
        await headArrived.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
        var answering = client.ReadAnswerAsync();
        var passed = await time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(500));
        Assert.Equal(504, (await answering).Status);
        Assert.InRange(passed, TimeSpan.FromSeconds(29.9), TimeSpan.FromSeconds(33));
    }

    [Fact]
    public async Task Client_that_is_told_to_continue_and_does_not_is_answered_408()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync("HTTP/1.1 100 Continue\r\n\r\n");
            await peer.DrainAsync();
        });
        var time = new FakeTimeProvider();
        await using var gateway = TestGateway.Before(origin, listener: "bodyTimeout: 3s", time: time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Expecting);
        Assert.Equal(100, (await client.ReadAnyAnswerAsync()).Status);
        var answering = client.ReadAnswerAsync();
        await time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(500));
        Assert.Equal(408, (await answering).Status);
    }

    [Fact]
    public async Task Every_1xx_passes_to_HTTP_1_1_clients_and_none_to_HTTP_1_0()
    {
        await using var origin = ScriptedOrigin.Answering(request =>
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n"
            + ScriptedOrigin.Answer("final"));
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        for (var round = 0; round < 3; round++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            var first = await client.ReadAnyAnswerAsync();
            Assert.Equal((103, "</a.css>; rel=preload"), (first.Status, first.Value("Link")));
            Assert.Equal(102, (await client.ReadAnyAnswerAsync()).Status);
            var third = await client.ReadAnyAnswerAsync();
            Assert.Equal(("</b.css>", null), (third.Value("Link"), third.Value("X-Hop")));
            Assert.Equal("final", WireText.Text((await client.ReadAnyAnswerAsync()).Body));
        }
        var old = await gateway.AskAsync("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        Assert.Equal((200, "final"), (old.Status, WireText.Text(old.Body)));
    }

    [Fact]
    public async Task Thousands_of_1xx_answers_do_not_pile_up()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
            {
                // An odd length, so that pieces end within heads.
                var hints = string.Concat(Enumerable.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </abc>\r\n\r\n", 10_000));
                await peer.SendAsync(hints + ScriptedOrigin.Answer("final"));
            }
        });
        await using var gateway = TestGateway.Before(origin);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        Assert.Equal("final", WireText.Text((await gateway.GetAsync()).Body));
        var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(grown < 4 * 1024 * 1024, $"{grown} bytes more are kept");
    }

    [Fact]
    public async Task Answer_before_the_request_has_ended_arrives_whole_and_then_the_connection_ends()
    {
        var body = BodyPattern.Bytes(3, 300_000);
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync($"HTTP/1.1 403 Forbidden\r\nContent-Length: {body.Length}\r\n\r\n");
            await peer.SendAsync(body);
            await peer.DrainAsync();
        });
        await using var gateway = TestGateway.Before(origin);
        foreach (var framing in new[] { "Content-Length: 25000000", "Transfer-Encoding: chunked" })
        {
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\nabcde\r\n");
            var answer = await client.ReadAnswerAsync();
            Assert.Equal((403, "close"), (answer.Status, answer.Value("Connection")));
            Assert.Equal(BodyPattern.HashOf(body), BodyPattern.HashOf(answer.Body));
            Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
        }
    }

    [Fact]
    public async Task Client_that_pours_on_gets_the_early_answer_and_is_then_stopped()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync(ScriptedOrigin.Answer("enough", status: 413));
            await peer.DrainAsync();
        });
        await using var gateway = TestGateway.Before(origin, service: "maxBody: off");
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
        var pouring = Task.Run(async () =>
        {
            var piece = new byte[16 * 1024];
            for (var count = 0; count < 100_000_000 && await client.TrySendAsync(piece); count += piece.Length)
            {
            }
        }, TestContext.Current.CancellationToken);
        var answer = await client.ReadAnswerAsync();
        Assert.Equal((413, "enough"), (answer.Status, WireText.Text(answer.Body)));
        await client.ReadToEndAsync();
        await pouring;
    }
}
