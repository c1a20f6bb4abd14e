using System.Text.Json;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Connections, bodies and buffers are bounded, and who meets a bound is told which one.</summary>
public sealed class LimitTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    public async Task Connection_over_a_listeners_limit_waits_until_another_ends()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: "maxConnections: 2");
        var first = await gateway.ConnectAsync();
        await using var second = await gateway.ConnectAsync();
        foreach (var client in new[] { first, second })
        {
            await client.SendAsync(Get);
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        }
        await using var third = await gateway.ConnectAsync();
        await third.SendAsync(Get);
        var answering = third.ReadAnswerAsync();
        // The two go on as before, the third has not been accepted.
        for (var round = 0; round < 20; round++)
        {
            await second.SendAsync(Get);
            Assert.Equal(200, (await second.ReadAnswerAsync()).Status);
        }
        Assert.False(answering.IsCompleted);
        Assert.Equal(2, gateway.Host.Listeners.First().Connections);
        await first.DisposeAsync();
        Assert.Equal(200, (await answering).Status);
    }

    [Fact]
    public async Task Limit_of_a_listener_can_be_raised_and_lowered_while_it_is_full()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: "maxConnections: 1");
        var clients = new List<Peer>();
        var answers = new List<Task<WireAnswer>>();
        for (var number = 0; number < 3; number++)
        {
            clients.Add(await gateway.ConnectAsync());
            await clients[^1].SendAsync(Get);
            answers.Add(clients[^1].ReadAnswerAsync());
        }
        await answers[0];
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url, listener: "maxConnections: 3"))));
        await Task.WhenAll(answers);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url, listener: "maxConnections: 1"))));
        await using var late = await gateway.ConnectAsync();
        await late.SendAsync(Get);
        var answering = late.ReadAnswerAsync();
        await clients[0].DisposeAsync();
        await Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Connections == 2, "one has ended");
        await clients[1].SendAsync(Get);
        await clients[1].ReadAnswerAsync();
        Assert.False(answering.IsCompleted);
        await clients[1].DisposeAsync();
        await clients[2].DisposeAsync();
        Assert.Equal(200, (await answering).Status);
    }

    [Fact]
    public async Task Requests_over_an_endpoints_connections_wait_and_over_its_queue_are_refused()
    {
        var release = new SemaphoreSlim(0);
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                await release.WaitAsync(Peer.Patience);
                await peer.SendAsync(ScriptedOrigin.Answer(request.Target));
            }
        });
        await using var gateway = TestGateway.Before(origin, service: "maxConnections: 2, maxPending: 3");
        var clients = new List<Peer>();
        var answers = new List<Task<WireAnswer>>();
        for (var number = 0; number < 5; number++)
        {
            clients.Add(await gateway.ConnectAsync());
            await clients[^1].SendAsync($"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
            answers.Add(clients[^1].ReadAnswerAsync());
            if (number == 1)
                await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 2, "two are in flight");
        }
        // With the fifth in the queue the sixth finds it full; before that it would wait.
        await gateway.WaitsAsync(3);
        var refused = await gateway.GetAsync();
        var problem = Problem.Has(refused, 503, "connection-limit", "services.origin.maxConnections", 2, "connections", "connection_limit_reached");
        Assert.Equal(2, problem.GetProperty("observed").GetDouble());
        Assert.Equal(2, origin.Connections);

        release.Release(5);
        for (var number = 0; number < 5; number++)
            Assert.Equal($"/{number}", WireText.Text((await answers[number]).Body));
        Assert.Equal(2, origin.Connections);
        clients.ForEach(client => client.Socket.Dispose());
    }

    [Fact]
    public async Task Queue_forgets_who_left_or_gave_up()
    {
        var time = new FakeTimeProvider();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.ReadToEndAsync();
        });
        await using var gateway = TestGateway.Before(origin, service: "maxConnections: 1, maxPending: 1, connectTimeout: 5s, timeout: 10m", time: time);
        await using var first = await gateway.ConnectAsync();
        await first.SendAsync(Get);
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the first is in flight");
        for (var round = 0; round < 3; round++)
        {
            // One leaves, one gives up: each makes room for the next.
            var leaving = await gateway.ConnectAsync();
            await leaving.SendAsync(Get);
            await gateway.WaitsAsync(1);
            leaving.Reset();
            await gateway.WaitsAsync(0);

            await using var patient = await gateway.ConnectAsync();
            await patient.SendAsync(Get);
            await gateway.WaitsAsync(1);
            var answering = patient.ReadAnswerAsync();
            await time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(500));
            Problem.Has(await answering, 503, "connection-limit");
            await gateway.WaitsAsync(0);
        }
    }

    [Fact]
    public async Task Waiting_for_a_connection_counts_against_the_timeout()
    {
        var time = new FakeTimeProvider();
        await using var origin = ScriptedOrigin.Start(async peer => await peer.ReadToEndAsync());
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ], maxConnections: 1, connectTimeout: 60s, timeout: 10m } }
            routes:
              - { match: { path: /first }, service: origin }
              - { match: { path: /second }, service: origin, timeout: 2s }
            """, time);
        await using var first = await gateway.ConnectAsync();
        await first.SendAsync("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the first is in flight");
        await using var second = await gateway.ConnectAsync();
        await second.SendAsync("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
        await gateway.WaitsAsync(1);
        var answering = second.ReadAnswerAsync();
        await time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(200));
        Problem.Has(await answering, 504, "deadline", "routes[1].timeout", 2_000, "ms");
    }

    [Fact]
    public async Task Idle_connections_do_not_keep_out_an_upload_that_needs_a_new_one()
    {
        var time = new FakeTimeProvider();
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, service: "maxConnections: 1, maxPending: 0", time: time);
        await using var client = await gateway.ConnectAsync();
        for (var round = 0; round < 10; round++)
        {
            await client.SendAsync(Get);
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
            time.Advance(TimeSpan.FromSeconds(round % 2 * 5));
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
            await client.SendAsync("body");
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        }
    }

    [Fact]
    public async Task Bulkhead_holds_under_a_crowd_and_loses_nobody()
    {
        var (now, most) = (0, 0);
        await using var origin = ScriptedOrigin.Start(async (peer, number) =>
        {
            var random = new Random(number);
            while (await peer.ReadRequestAsync() is { } request)
            {
                var count = Interlocked.Increment(ref now);
                InterlockedMax(ref most, count);
                await Task.Yield();
                Interlocked.Decrement(ref now);
                await peer.SendAsync(ScriptedOrigin.Answer(request.Target));
                if (random.Next(10) == 0)
                    return;
            }
        });
        await using var gateway = TestGateway.Before(origin, service: "concurrency: off, maxConnections: 4, maxPending: 64, connectTimeout: 20s");
        await Task.WhenAll(Enumerable.Range(0, 32).Select(worker => Task.Run(async () =>
        {
            await using var client = await gateway.ConnectAsync();
            for (var number = 0; number < 100; number++)
            {
                await client.SendAsync($"GET /{worker}/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
                var answer = await client.ReadAnswerAsync();
                Assert.Equal((200, $"/{worker}/{number}"), (answer.Status, WireText.Text(answer.Body)));
            }
        })));
        Assert.InRange(most, 1, 4);
        Assert.InRange(gateway.Service().Endpoints[0].Open, 0, 4);
    }

    [Theory]
    [InlineData("Content-Length: 1001\r\n\r\n")]
    [InlineData("Content-Length: 9000000000\r\n\r\n")]
    public async Task Announced_body_over_the_limit_is_413_and_nothing_goes_upstream(string framing)
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, service: "maxBody: 1000B");
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{framing}");
        Problem.Has(await client.ReadAnswerAsync(), 413, "body-too-large", "services.origin.maxBody", 1000, "bytes");
        Assert.Equal(0, origin.Connections);
        var fitting = new string('f', 1000);
        Assert.Equal(200, (await gateway.AskAsync($"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{fitting}")).Status);
        Assert.Equal(200, (await gateway.AskAsync($"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{fitting}\r\n0\r\n\r\n")).Status);
    }

    [Fact]
    public async Task Chunked_body_over_the_limit_is_413_and_breaks_off_upstream()
    {
        var seen = new TaskCompletionSource<(ClientEnd, int)>();
        await using var origin = ScriptedOrigin.Start(async peer => seen.TrySetResult((await peer.ReadToEndAsync(), peer.Unread.Length)));
        await using var gateway = TestGateway.Before(origin, service: "maxBody: 100KiB");
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the head goes on");
        for (var piece = 0; piece < 11; piece++)
            await client.TrySendAsync((byte[])[.. "2800\r\n"u8, .. new byte[10_240], .. "\r\n"u8]);
        Problem.Has(await client.ReadAnswerAsync(), 413, "body-too-large", "services.origin.maxBody", 102_400, "bytes");
        var (end, length) = await seen.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(ClientEnd.Reset, end);
        Assert.True(length < 102_400 + 2_000, $"{length} bytes went on");
    }

    [Fact]
    public async Task Fault_within_what_a_route_buffers_sends_nothing_upstream()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, route: "bufferRequests: 64KiB");
        foreach (var (fault, status) in new[] { ("zz\r\n", 400), ("0\r\nContent-Length: 5\r\n\r\n", 400), ("5\r\nabcdefgh\r\n", 400) })
        {
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (var piece = 0; piece < 12; piece++)
            {
                await client.SendAsync($"1000\r\n{new string('b', 4096)}\r\n");
                await Task.Yield();
            }
            await client.TrySendAsync(WireText.Bytes(fault));
            Problem.Has(await client.ReadAnswerAsync(), status, "malformed-request");
        }
        Assert.Equal(0, origin.Connections);
        // A good one of the same size goes through, and so does one beyond the buffer.
        foreach (var pieces in new[] { 12, 60 })
        {
            var body = string.Concat(Enumerable.Repeat($"1000\r\n{new string('b', 4096)}\r\n", pieces));
            var echo = await gateway.AskAsync($"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n");
            Assert.EndsWith(new string('b', pieces * 4096), WireText.Text(echo.Body), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Problem_is_valid_JSON_whatever_the_request_says()
    {
        await using var gateway = TestGateway.Start("""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "http://127.0.0.1:1" ] } }
            routes: [ { match: { path: /only, methods: [ PUT ] }, service: origin } ]
            """);
        Problem.Has(await gateway.AskAsync("GET /\"</script> HTTP/1.1\r\nHost: a\r\nX-Request-Id: \"quoted\"\\\r\n\r\n"), 404, "no-route");
        Problem.Has(await gateway.AskAsync("GET /%22 HTTP/1.1\r\nHost: a\r\nX-Request-Id: \"quoted\"\\\r\n\r\n"), 404, "no-route", proxyError: "destination_not_found");
        var notAllowed = await gateway.AskAsync("GET /only HTTP/1.1\r\nHost: a\r\n\r\n");
        Problem.Has(notAllowed, 405, "method-not-allowed");
        Assert.Equal("PUT", notAllowed.Value("Allow"));
        var toHead = await gateway.AskAsync("HEAD /no HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD");
        Assert.Equal(404, toHead.Status);
        Assert.NotEqual("0", toHead.Value("Content-Length"));
        JsonDocument.Parse((await gateway.GetAsync("/x")).Body).Dispose();
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
        {
            if (Interlocked.CompareExchange(ref most, value, seen) == seen)
                return;
        }
    }
}
