using System.Net;
using System.Net.WebSockets;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2;

/// <summary>HTTP/2 in front: the same answers, limits and ends as in HTTP/1.1, on the same port.</summary>
public sealed class FrontTests
{
    [Fact]
    public async Task Preface_is_known_however_it_comes()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        var bytes = (byte[])[.. H2Peer.Preface, .. H2Peer.Frame(H2Peer.Settings, 0, 0), .. H2Peer.Frame(H2Peer.Headers, 5, 1, H2Peer.Request("GET", "/whole"))];
        foreach (var at in new[] { 0, 1, 3, 14, 16, 20, 24, 30, bytes.Length })
        {
            await using var client = new H2Peer(await gateway.ConnectAsync());
            await client.Peer.SendAsync(bytes.AsMemory(0, at));
            await Task.Yield();
            await client.Peer.SendAsync(bytes.AsMemory(at));
            Assert.StartsWith("200 GET /whole", await client.AnswerAsync(1), StringComparison.Ordinal);
        }
        Assert.Equal(400, (await gateway.AskAsync("PRI * HTTP/1.1\r\nHost: a\r\n\r\n")).Status);
        Assert.Equal(505, (await gateway.AskAsync("GET / HTTP/2.0\r\nHost: a\r\n\r\n")).Status);
    }

    [Fact]
    public async Task Refusals_say_the_same_in_both()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, "maxBody: 1KiB", route: "match: { path: /here }"));
        using var client = Client();
        foreach (var (path, body, status) in new[] { ("/nowhere", 0, 404), ("/here", 2_000, 413), ("/here", 10, 200) })
        {
            var said = new List<string>();
            foreach (var version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
            {
                using var request = Ask(gateway, path, version);
                request.Headers.Add("X-Request-Id", "same");
                request.Headers.Add("traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
                if (body > 0)
                    request.Content = new ByteArrayContent(new byte[body]);
                using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
                Assert.Equal(status, (int)answer.StatusCode);
                if (status == 200)
                    continue;
                answer.Headers.Date = null;
                answer.Headers.ConnectionClose = null;
                said.Add($"{answer.Headers}{answer.Content.Headers}{await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
            }
            if (status != 200)
                Assert.Equal(said[0], said[1], ignoreCase: true);
        }
    }

    [Fact]
    public async Task Streams_share_a_connection_and_do_not_wait_for_each_other()
    {
        var hold = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                if (request.Target == "/slow")
                    await hold.Task.WaitAsync(Peer.Patience);
                await peer.SendAsync(ScriptedOrigin.Answer(request.Target));
            }
        });
        await using var gateway = TestGateway.Before(origin, "concurrency: 1000");
        using var client = Client();
        var slow = client.SendAsync(Ask(gateway, "/slow"), TestContext.Current.CancellationToken);
        var quick = await Task.WhenAll(Enumerable.Range(0, 200).Select(async number =>
        {
            using var answer = await client.SendAsync(Ask(gateway, $"/{number}"), TestContext.Current.CancellationToken);
            return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken) == $"/{number}";
        }));
        Assert.DoesNotContain(false, quick);
        Assert.False(slow.IsCompleted);
        hold.SetResult();
        Assert.Equal("/slow", await (await slow).Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(1, gateway.Host.Listeners.First().Connections);
    }

    [Fact]
    public async Task Drain_says_GOAWAY_and_lets_what_is_under_way_end()
    {
        var hold = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
            {
                await hold.Task.WaitAsync(Peer.Patience);
                await peer.SendAsync(ScriptedOrigin.Answer("done"));
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        await using var resting = await H2Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Request("GET", "/"));
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the request is under way");
        var draining = gateway.Host.DrainAsync(Peer.Patience);
        H2Frame? frame;
        do
            frame = await client.ReadAsync();
        while (frame is not null && frame.Type != H2Peer.GoAway);
        Assert.NotNull(frame);
        await resting.EndAsync();
        hold.SetResult();
        Assert.Equal("200 done", await client.AnswerAsync(1));
        await client.EndAsync();
        await draining.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Reload_that_removes_the_listener_drains_its_connections()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        var before = gateway.Host.Listeners.First();
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Request("GET", "/"));
        Assert.StartsWith("200", await client.AnswerAsync(1), StringComparison.Ordinal);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url).Replace("edge", "other", StringComparison.Ordinal).Replace("127.0.0.1:0", "[::1]:0", StringComparison.Ordinal))));
        Assert.Equal("goaway 0", await client.AnswerAsync(3));
        await Eventually.HoldsAsync(() => before.Connections == 0, "the connection ends");
    }

    [Fact]
    public async Task Idle_connections_and_slow_heads_and_bodies_have_their_time()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: "idleTimeout: 1s, headerTimeout: 1s, bodyTimeout: 1s");
        await using var idle = await H2Peer.ConnectAsync(gateway.Port);
        await using var slowHead = await H2Peer.ConnectAsync(gateway.Port);
        await slowHead.SendAsync(H2Peer.Headers, H2Peer.EndStream, 1, H2Peer.Request("GET", "/"));
        await using var slowBody = await H2Peer.ConnectAsync(gateway.Port);
        await slowBody.SendAsync(H2Peer.Headers, H2Peer.EndHeaders, 1, H2Peer.Request("POST", "/", ("content-length", "5")));
        Assert.StartsWith("408", await slowBody.AnswerAsync(1), StringComparison.Ordinal);
        await idle.EndAsync();
        await slowHead.EndAsync();
    }

    [Fact]
    public async Task Large_bodies_pass_both_ways_at_once()
    {
        await using var origin = await KestrelOrigin.StartAsync();
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, "maxBody: off"));
        using var client = Client();
        foreach (var size in new[] { 1, 4_095, 4_096, 4_097, 16_384, 65_535, 65_536, 65_537, 1_000_000, 5_000_000 })
        {
            var body = BodyPattern.Bytes((ulong)size, size);
            using var request = Ask(gateway, "/echo");
            request.Method = HttpMethod.Post;
            request.Content = new ByteArrayContent(body);
            using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(BodyPattern.HashOf(body), BodyPattern.HashOf(await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)));
        }
    }

    [Fact]
    public async Task WebSocket_passes_to_an_endpoint_of_HTTP_1()
    {
        await using var origin = await KestrelOrigin.StartAsync();
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url));
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        using var socket = new ClientWebSocket();
        socket.Options.HttpVersion = HttpVersion.Version20;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        var cancellation = TestContext.Current.CancellationToken;
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{gateway.Port}/socket"), invoker, cancellation);
        for (var number = 1; number <= 1_000; number++)
        {
            var message = BodyPattern.Bytes((ulong)number, number * 31 % 2_000);
            await socket.SendAsync(message, WebSocketMessageType.Binary, endOfMessage: true, cancellation);
            var buffer = new byte[4096];
            var length = 0;
            ValueWebSocketReceiveResult result;
            do
            {
                result = await socket.ReceiveAsync(buffer.AsMemory(length), cancellation);
                length += result.Count;
            }
            while (!result.EndOfMessage);
            Assert.Equal(message, buffer.AsSpan(0, length));
        }
        Assert.Equal(1, gateway.Service().State.Streams);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "done", cancellation);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, socket.CloseStatus);
        await Eventually.HoldsAsync(() => gateway.Service().State.Streams == 0, "the stream is counted out");
    }

    [Fact]
    public async Task Metrics_and_connections_tell_the_version()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        using var client = Client();
        using var answer = await client.SendAsync(Ask(gateway, "/"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var route = gateway.Host.Plane.Model.RouteMetrics[0];
        await Eventually.HoldsAsync(() => route.Answers.All().Any(series => series.Key.Version == Malha.Proxy.Telemetry.Metrics.HttpVersionKind.Http2), "the request counts as HTTP/2");
    }

    private static HttpClient Client() => new(new SocketsHttpHandler { UseProxy = false }) { Timeout = Peer.Patience };

    private static HttpRequestMessage Ask(TestGateway gateway, string path, Version? version = null) => new(HttpMethod.Get, $"http://127.0.0.1:{gateway.Port}{path}")
    {
        Version = version ?? HttpVersion.Version20,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };
}
