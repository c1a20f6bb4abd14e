using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Slow servers, in virtual time: every deadline is a 504 that names its rule.</summary>
public sealed class UpstreamTimeoutTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData("timeout: 3s", "", "services.origin.timeout", 3_000)]
    [InlineData("timeout: 30s, attemptTimeout: 2s", "", "services.origin.attemptTimeout", 2_000)]
    [InlineData("timeout: 30s", "timeout: 1s", "routes[0].timeout", 1_000)]
    [InlineData("timeout: 30s, attemptTimeout: 20s", "attemptTimeout: 1s", "routes[0].attemptTimeout", 1_000)]
    public async Task Server_that_does_not_answer_in_time_is_504_with_the_rule(string service, string route, string rule, double limit)
    {
        var upstream = new TaskCompletionSource<ClientEnd>();
        await using var origin = ScriptedOrigin.Start(async peer => upstream.TrySetResult(await peer.ReadToEndAsync()));
        await using var gateway = TestGateway.Before(origin, service, route: route, time: _time);
        foreach (var body in new[] { "", "Content-Length: 5\r\n", "Content-Length: 90000\r\n", "Transfer-Encoding: chunked\r\n" })
        {
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{body}\r\n");
            // The whole body, but late: its time is not the server's.
            var upload = body.Contains("90000", StringComparison.Ordinal) ? new byte[90_000]
                : body.Length == 0 ? [] : body.Contains('5', StringComparison.Ordinal) ? "12345"u8.ToArray() : "3\r\nabc\r\n0\r\n\r\n"u8.ToArray();
            if (body.Length > 0)
                await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the head goes on");
            await client.SendAsync(upload);
            await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the request goes on");
            var answering = client.ReadAnswerAsync();
            var passed = await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(100));
            var problem = Problem.Has(await answering, 504, "deadline", rule, limit, "ms", "http_response_timeout");
            Assert.True(problem.GetProperty("observed").GetDouble() >= limit * 0.99, $"{problem}");
            Assert.InRange(passed.TotalMilliseconds, limit * 0.9, limit + 4_000);
            // The connection is in order: the request has been read to its end.
            Assert.True((await answering).KeepsConnection);
        }
        Assert.Equal(ClientEnd.Reset, await upstream.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Endpoint_that_takes_no_connection_in_time_is_504_with_the_rule()
    {
        using var full = new FullBacklog();
        await using var gateway = TestGateway.Start(TestGateway.File($"http://127.0.0.1:{full.Port}", "connectTimeout: 2s"), _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        var answering = client.ReadAnswerAsync();
        var passed = await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(100));
        Problem.Has(await answering, 504, "connect-timeout", "services.origin.connectTimeout", 2_000, "ms", "connection_timeout");
        Assert.InRange(passed.TotalSeconds, 1.9, 5);
        Assert.Equal(0, gateway.Service().Endpoints[0].Open);
    }

    [Theory]
    [InlineData("connectTimeout: 20s, timeout: 2s", "services.origin.timeout")]
    [InlineData("connectTimeout: 20s, timeout: 10s, attemptTimeout: 2s", "services.origin.attemptTimeout")]
    public async Task Time_to_connect_counts_against_the_request(string service, string rule)
    {
        using var full = new FullBacklog();
        await using var gateway = TestGateway.Start(TestGateway.File($"http://127.0.0.1:{full.Port}", service), _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        var answering = client.ReadAnswerAsync();
        await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(100));
        Problem.Has(await answering, 504, "deadline", rule, 2_000, "ms");
    }

    [Fact]
    public async Task Server_that_stops_reading_a_body_does_not_hold_the_client_for_ever()
    {
        var done = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await done.Task;
        });
        await using var gateway = TestGateway.Before(origin, service: "maxBody: off, idleTimeout: 30s", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
        var sent = 0L;
        var pouring = Task.Run(async () =>
        {
            var piece = new byte[64 * 1024];
            try
            {
                while (await client.Socket.SendAsync(piece) is > 0 and var count)
                    Interlocked.Add(ref sent, count);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // Cut off, as it should be.
            }
        }, TestContext.Current.CancellationToken);
        await Eventually.SettlesAsync(() => Interlocked.Read(ref sent));
        var answering = client.ReadAnswerAsync();
        await _time.PassUntilAsync(answering, TimeSpan.FromSeconds(1));
        Problem.Has(await answering, 504, "deadline", "services.origin.idleTimeout", 30_000, "ms");
        client.Reset();
        await pouring;
        done.SetResult();
    }

    [Fact]
    public async Task Timeout_ends_at_the_answers_head()
    {
        var go = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
            await go.Task;
            await peer.SendAsync("cd");
        });
        await using var gateway = TestGateway.Before(origin, service: "timeout: 2s, attemptTimeout: 1s", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.ReadUntilAsync("\r\n\r\nab");
        _time.Advance(TimeSpan.FromSeconds(60));
        go.SetResult();
        Assert.Equal("cd", await client.ReadTextAsync(2));
    }

    /// <summary>A listener whose backlog is full: the kernel drops further connection requests, and whoever connects waits.</summary>
    private sealed class FullBacklog : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _waiting = [];

        public FullBacklog()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen(0);
            Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
            for (var count = 0; count < 4; count++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
                _waiting.Add(socket);
                try
                {
                    socket.Connect(IPAddress.Loopback, Port);
                }
                catch (SocketException exception) when (exception.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
                {
                    // On its way, or waiting for ever.
                }
            }
        }

        public int Port { get; }

        public void Dispose()
        {
            _waiting.ForEach(socket => socket.Dispose());
            _listener.Dispose();
        }
    }
}
