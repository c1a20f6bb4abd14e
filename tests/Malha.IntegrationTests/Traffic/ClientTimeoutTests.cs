using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Slow clients, in virtual time: heads, bodies, resting connections, answers that nobody reads; and lingering closes.</summary>
public sealed class ClientTimeoutTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Head_that_does_not_come_in_time_is_answered_408()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: "headerTimeout: 10s", time: _time);
        await using var client = await gateway.ConnectAsync();
        // One before it on the same connection: the time runs from the head's first byte.
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.ReadAnswerAsync();
        _time.Advance(TimeSpan.FromSeconds(9));
        await client.SendAsync("GET / HTTP/1.1\r\nHo");
        await Eventually.HoldsAsync(() => client.Socket.Available == 0 && gateway.Host.Listeners.First().Connections == 1, "the bytes are read");
        var answering = client.ReadAnswerAsync();
        var passed = await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(250));
        var answer = await answering;
        Assert.Equal((408, "close"), (answer.Status, answer.Value("Connection")));
        Assert.Equal("application/problem+json", answer.Value("Content-Type"));
        Assert.InRange(passed, TimeSpan.FromSeconds(9.9), TimeSpan.FromSeconds(14));
        // A byte a second does not help.
        Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
        Assert.Equal(0, await NothingAsync(origin));
    }

    [Fact]
    public async Task Head_byte_by_byte_does_not_win_time()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: "headerTimeout: 10s", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nX: ");
        var answering = client.ReadAnswerAsync();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        for (var second = 0; second < 60 && !answering.IsCompleted; second++)
        {
            await client.TrySendAsync("x"u8.ToArray());
            _time.Advance(TimeSpan.FromSeconds(1));
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
        Assert.Equal(408, (await answering).Status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("bufferRequests: 64KiB")]
    public async Task Body_that_pauses_too_long_is_answered_408_and_breaks_off_upstream(string route)
    {
        var upstream = new TaskCompletionSource<ClientEnd>();
        await using var origin = ScriptedOrigin.Start(async peer => upstream.TrySetResult(await peer.ReadToEndAsync()));
        await using var gateway = TestGateway.Before(origin, listener: "bodyTimeout: 4s, minBodyRate: off", route: route, time: _time);
        await using var client = await gateway.ConnectAsync();
        foreach (var framing in new[] { "Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2" })
        {
            await using var slow = await gateway.ConnectAsync();
            await slow.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{framing}");
            if (route.Length == 0)
                await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight > 0, "the request goes on");
            var answering = slow.ReadAnswerAsync();
            var passed = await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(100));
            Problem.Has(await answering, 408, "slow-request");
            Assert.InRange(passed, TimeSpan.FromSeconds(3.9), TimeSpan.FromSeconds(8));
            Assert.Equal(ClientEnd.Closed, await slow.ReadToEndAsync());
            await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "nothing is left upstream");
        }
        if (route.Length == 0)
            Assert.Equal(ClientEnd.Reset, await upstream.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken));
        else
            Assert.Equal(0, origin.Connections);
    }

    [Fact]
    public async Task Body_slower_than_the_minimum_rate_is_answered_408()
    {
        await using var origin = ScriptedOrigin.Start(peer => peer.DrainAsync());
        await using var gateway = TestGateway.Before(origin, listener: "minBodyRate: 1KiB/s", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        var answering = client.ReadAnswerAsync();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        var seconds = 0;
        // A tenth of what is asked for, without a pause.
        for (; seconds < 60 && !answering.IsCompleted; seconds++)
        {
            await client.TrySendAsync(new byte[100]);
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            _time.Advance(TimeSpan.FromSeconds(1));
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
        Problem.Has(await answering, 408, "slow-request");
        Assert.InRange(seconds, 5, 20);
    }

    [Fact]
    public async Task Resting_connection_ends_in_order_after_the_idle_timeout()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: "idleTimeout: 20s", time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var round = 0; round < 3; round++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
            _time.Advance(TimeSpan.FromSeconds(15));
        }
        var ending = client.ReadToEndAsync();
        await _time.PassUntilAsync(ending, TimeSpan.FromMilliseconds(500));
        Assert.Equal(ClientEnd.Closed, await ending);
        Assert.Equal(0, client.Unread.Length);
    }

    [Fact]
    public async Task Client_that_does_not_read_its_answer_is_cut()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            var piece = new byte[64 * 1024];
            while (await peer.Socket.SendAsync(piece) > 0)
            {
            }
        });
        await using var gateway = TestGateway.Before(origin, time: _time);
        await using var client = await Peer.ConnectAsync(gateway.Host.Listeners.First().Address, receiveBuffer: 4096);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.NotNull(await client.ReadHeadAsync());
        var cut = Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Connections == 0, "the connection is cut");
        await _time.PassUntilAsync(cut, TimeSpan.FromSeconds(5));
        await cut;
        await client.DrainAsync();
        Assert.Equal(ClientEnd.Reset, client.End);
        Assert.Equal(0, gateway.Service().Endpoints[0].InFlight);
    }

    [Fact]
    public async Task Client_that_still_sends_gets_its_refusal_and_not_a_reset()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, service: "maxBody: 1000B");
        foreach (var (request, status) in new[]
        {
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7530\r\n", 413),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        })
        {
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync(request);
            await client.SendAsync(new byte[30_000]);
            var answer = await client.ReadAnswerAsync();
            Assert.Equal((status, "close"), (answer.Status, answer.Value("Connection")));
            Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
        }
    }

    [Fact]
    public async Task Body_on_its_way_to_a_refused_endpoint_does_not_cost_the_answer()
    {
        var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, time: _time);
        await origin.DisposeAsync();
        for (var round = 0; round < 20; round++)
        {
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\nhalf of it");
            var answer = await client.ReadAnswerAsync();
            Problem.Has(answer, 502, "connect-failed", proxyError: "connection_refused");
            await client.TrySendAsync(new byte[50]);
            client.FinishSending();
            Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
        }
        // Whoever neither sends the rest nor goes is cut after the linger time.
        await using var last = await gateway.ConnectAsync();
        await last.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\nhalf of it");
        Assert.Equal(502, (await last.ReadAnswerAsync()).Status);
        var ending = Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Connections == 0, "the connection ends");
        Assert.InRange(await _time.PassUntilAsync(ending, TimeSpan.FromMilliseconds(100)), TimeSpan.Zero, TimeSpan.FromSeconds(6));
        await ending;
    }

    private static Task<int> NothingAsync(ScriptedOrigin origin) => Task.FromResult(origin.Faults.Count);
}
