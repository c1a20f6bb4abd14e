using System.Diagnostics;
using System.Net;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Servers that refuse, close, break and die, and clients that leave: what may be repeated never fails, what is cut never looks whole.</summary>
public sealed class FailureTests
{
    [Fact]
    public async Task Refused_connection_is_502()
    {
        var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await origin.DisposeAsync();
        await using var client = await gateway.ConnectAsync();
        for (var round = 0; round < 3; round++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            Problem.Has(await client.ReadAnswerAsync(), 502, "connect-failed", proxyError: "connection_refused");
        }
        Assert.Equal(0, gateway.Service().Endpoints[0].Open);
        Assert.Equal(0, gateway.Service().Endpoints[0].InFlight);
    }

    [Fact]
    public async Task Name_is_resolved_and_every_address_of_it_tried()
    {
        // On most machines localhost is ::1 and 127.0.0.1, and only the second has a server here.
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(TestGateway.File($"http://localhost:{origin.Port}"));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        await using var nowhere = TestGateway.Start(TestGateway.File("http://no-such-host.invalid:80"));
        Problem.Has(await nowhere.GetAsync(), 502, "connect-failed");
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n")]
    public async Task Client_that_goes_away_ends_the_request_upstream(string request)
    {
        foreach (var reset in new[] { true, false })
        {
            var arrived = new TaskCompletionSource();
            var ended = new TaskCompletionSource<ClientEnd>();
            await using var origin = ScriptedOrigin.Start(async peer =>
            {
                await peer.ReadRequestAsync();
                arrived.SetResult();
                ended.SetResult(await peer.ReadToEndAsync());
            });
            await using var gateway = TestGateway.Before(origin);
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync(request);
            if (request.Contains("70000", StringComparison.Ordinal))
                await client.SendAsync(new byte[70_000]);
            await arrived.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
            if (reset)
                client.Reset();
            else
                await client.DisposeAsync();
            Assert.Equal(ClientEnd.Reset, await ended.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken));
            await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "nothing is in flight");
        }
    }

    [Fact]
    public async Task Client_that_goes_away_within_its_body_or_its_answer_ends_the_request_upstream()
    {
        var ends = 0;
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            var head = await peer.ReadHeadAsync();
            if (head!.StartsWith("GET", StringComparison.Ordinal))
                await peer.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n");
            if (await peer.ReadToEndAsync() == ClientEnd.Reset)
                Interlocked.Increment(ref ends);
        });
        await using var gateway = TestGateway.Before(origin);
        await using var uploading = await gateway.ConnectAsync();
        await uploading.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome");
        await using var downloading = await gateway.ConnectAsync();
        await downloading.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await downloading.ReadHeadAsync();
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 2, "both are under way");
        await uploading.DisposeAsync();
        downloading.Reset();
        await Eventually.HoldsAsync(() => Volatile.Read(ref ends) == 2, "both are broken off upstream");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "nothing is in flight");
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nonly this")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\nonly this")]
    public async Task Answer_that_breaks_off_never_looks_complete(string answer)
    {
        foreach (var reset in new[] { false, true })
        {
            await using var origin = ScriptedOrigin.Start(async peer =>
            {
                await peer.ReadRequestAsync();
                await peer.SendAsync(answer);
                if (reset)
                    peer.Reset();
            });
            await using var gateway = TestGateway.Before(origin);
            foreach (var version in new[] { "1.1", "1.0" })
            {
                await using var client = await gateway.ConnectAsync();
                await client.SendAsync($"GET / HTTP/{version}\r\nHost: a\r\n\r\n");
                Assert.Equal(ClientEnd.Reset, await client.ReadToEndAsync());
                Assert.NotEqual(WireState.Complete, WireReader.Answer(client.Unread, "GET", ended: false).State);
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-")]
    public async Task Server_that_closes_a_new_connection_without_an_answer_is_502_for_every_method(string answer)
    {
        var requests = 0;
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            Interlocked.Increment(ref requests);
            await peer.SendAsync(answer);
        });
        await using var gateway = TestGateway.Before(origin);
        foreach (var method in new[] { "GET", "PUT", "POST" })
            Problem.Has(await gateway.AskAsync($"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), 502, "connection-lost", proxyError: "connection_terminated");
        Assert.Equal(3, requests);
    }

    [Fact]
    public async Task Ten_thousand_repeatable_requests_survive_a_server_that_closes_idle_connections_at_random()
    {
        // After each answer the server tosses: keep, close at once, close while the next request is on its way, close after it has read a part of it.
        await using var origin = ScriptedOrigin.Start(async (peer, number) =>
        {
            var random = new Random(number);
            while (await peer.ReadRequestAsync() is { } request)
            {
                await peer.SendAsync(ScriptedOrigin.Answer(request.Target));
                var toss = random.Next(8);
                if (toss == 0)
                    return;
                if (toss == 1)
                {
                    peer.Reset();
                    return;
                }
                if (toss == 2)
                {
                    // It is being sent, or not yet: both are right.
                    await peer.ReceiveAsync("the next request's first bytes");
                    peer.Reset();
                    return;
                }
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(worker => Task.Run(async () =>
        {
            await using var client = await gateway.ConnectAsync();
            string[] methods = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"];
            for (var number = 0; number < 625; number++)
            {
                var method = methods[number % methods.Length];
                var target = $"/{worker}/{number}";
                await client.SendAsync(method == "PUT"
                    ? $"PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nput"
                    : $"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
                var answer = await client.ReadAnswerAsync(method);
                Assert.True(answer.Status == 200, $"{method} {target}: {answer.Status} {WireText.Text(answer.Body)}");
                Assert.Equal(method == "HEAD" ? "" : target, WireText.Text(answer.Body));
            }
        })));
        Assert.True(origin.Connections > 500, $"only {origin.Connections} connections: the server did not close");
        Assert.Equal(0, gateway.Service().Endpoints[0].InFlight);
    }

    [Fact]
    public async Task Post_on_a_connection_that_was_closed_before_goes_over_a_new_one_and_is_sent_once()
    {
        var posts = 0;
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                if (request.Method == "POST")
                    Interlocked.Increment(ref posts);
                await peer.SendAsync(ScriptedOrigin.Answer("x"));
                if (request.Target == "/close")
                    return;
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        for (var round = 1; round <= 50; round++)
        {
            await client.SendAsync("GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
            await client.ReadAnswerAsync();
            await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].Open == 0, "the close is noticed");
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
            Assert.Equal(round, posts);
        }
    }

    [Fact]
    public async Task Post_that_may_have_been_processed_is_502_and_not_sent_again()
    {
        var posts = 0;
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                if (request.Method == "POST")
                {
                    Interlocked.Increment(ref posts);
                    return;
                }
                await peer.SendAsync(ScriptedOrigin.Answer("x"));
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.ReadAnswerAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        Problem.Has(await client.ReadAnswerAsync(), 502, "connection-lost");
        Assert.Equal(1, posts);
        Assert.Equal(1, origin.Connections);
    }

    [Fact]
    public async Task Upload_over_a_used_connection_that_breaks_is_an_error_and_harms_nobody()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            Assert.NotNull(await peer.ReadRequestAsync());
            await peer.SendAsync(ScriptedOrigin.Answer("first"));
            await peer.ReadHeadAsync();
            peer.Reset();
        });
        await using var gateway = TestGateway.Before(origin);
        for (var round = 0; round < 50; round++)
        {
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.Equal("first", WireText.Text((await client.ReadAnswerAsync()).Body));
            // Idempotent and within the replay limit, but half of it is still with the client.
            await client.SendAsync("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n0123456789");
            await Task.Yield();
            await client.TrySendAsync("0123456789"u8.ToArray());
            var answer = await client.ReadAnswerAsync();
            Assert.True(answer.Status is 502 || WireText.Text(answer.Body) == "first", $"{answer.Status} {WireText.Text(answer.Body)}");
        }
    }

    [Fact]
    public async Task Server_killed_within_bodies_leaves_no_answer_that_looks_complete()
    {
        var node = "/usr/bin/node";
        Assert.SkipUnless(File.Exists(node), "node is missing: apt-get install nodejs");
        const string Script = """
            const http = require('http');
            http.createServer((request, response) => {
              if (request.url === '/chunked') response.writeHead(200); else response.writeHead(200, { 'Content-Length': 10000000 });
              const more = () => { while (response.write(Buffer.alloc(1000, 'x'))) { if (Math.random() < 0.01) break; } setTimeout(more, 1); };
              more();
            }).listen(0, '127.0.0.1', function () { console.log('port ' + this.address().port); });
            """;
        var port = 0;
        await using var child = ChildProcess.Start(node, ["-e", Script], new Dictionary<string, string>(), line =>
            line.StartsWith("port ", StringComparison.Ordinal) && int.TryParse(line.AsSpan(5), out port));
        await child.ReadyAsync(Peer.Patience);
        await using var gateway = TestGateway.Start(TestGateway.File($"http://127.0.0.1:{port}"));
        var clients = new List<Peer>();
        for (var number = 0; number < 32; number++)
        {
            var client = await gateway.ConnectAsync();
            clients.Add(client);
            await client.SendAsync($"GET {(number % 2 == 0 ? "/chunked" : "/length")} HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.NotNull(await client.ReadHeadAsync());
            await client.ReadAsync(5_000);
        }
        using (var victim = Process.GetProcessById(child.Id))
            victim.Kill();
        foreach (var client in clients)
        {
            var received = await client.DrainAsync();
            Assert.Equal(ClientEnd.Reset, client.End);
            Assert.True(received < 10_000_000 - 5_000, $"{received} bytes came");
            await client.DisposeAsync();
        }
        Problem.Has(await gateway.GetAsync(), 502, "connect-failed");
    }

    [Fact]
    public async Task Endpoint_that_refuses_is_passed_over_for_one_that_does_not()
    {
        var gone = ScriptedOrigin.Echoing();
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{gone.Url}}", "{{origin.Url}}" ], balance: round-robin } }
            routes: [ { service: origin } ]
            """);
        await gone.DisposeAsync();
        for (var round = 0; round < 20; round++)
            Assert.Equal(200, (await gateway.AskAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")).Status);
    }

    [Fact]
    public async Task IPv6_endpoint_and_listener_work()
    {
        Assert.SkipUnless(System.Net.Sockets.Socket.OSSupportsIPv6 && HasLoopback6(), "this machine has no ::1");
        await using var origin = ScriptedOrigin.Start(async (peer, _) =>
        {
            while (await peer.ReadRequestAsync() is { } request)
                await peer.SendAsync(ScriptedOrigin.Answer(ScriptedOrigin.Echo(request)));
        }, address: IPAddress.IPv6Loopback);
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "[::1]:0" } }
            services: { origin: { endpoints: [ "http://[::1]:{{origin.Port}}" ] } }
            routes: [ { service: origin } ]
            """);
        await using var client = await Peer.ConnectAsync(gateway.Host.Listeners.First().Address);
        await client.SendAsync("GET / HTTP/1.0\r\n\r\n");
        var echo = WireText.Text((await client.ReadAnswerAsync()).Body);
        Assert.Contains($"Host: [::1]:{origin.Port}\n", echo, StringComparison.Ordinal);
        Assert.Contains("X-Forwarded-For: ::1\n", echo, StringComparison.Ordinal);
        Assert.Contains("Forwarded: for=\"[::1]\";proto=http\n", echo, StringComparison.Ordinal);
    }

    internal static bool HasLoopback6()
    {
        try
        {
            using var probe = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetworkV6, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return false;
        }
    }
}
