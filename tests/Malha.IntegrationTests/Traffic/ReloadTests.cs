using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Changes of the configuration under load: all or nothing, and no request lost.</summary>
public sealed class ReloadTests
{
    private static readonly int Reloads = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1" ? 500 : 50;

    [Fact]
    public async Task Many_reloads_half_of_them_bad_lose_no_request()
    {
        await using var first = ScriptedOrigin.Echoing();
        await using var second = ScriptedOrigin.Echoing();
        var folder = Directory.CreateTempSubdirectory("malha-reload-");
        var file = Path.Combine(folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, File_(0), TestContext.Current.CancellationToken);
        await using var malha = await MalhaProcess.StartAsync(["run", file], 1);
        using var done = new CancellationTokenSource();
        var served = new int[8];
        var load = Enumerable.Range(0, served.Length).Select(worker => Task.Run(() => AskAsync(malha.Port, worker, served, done.Token))).ToArray();

        for (var number = 1; number <= Reloads; number++)
        {
            var seen = Told(malha.Output);
            // Written beside and moved into place, as editors and configuration managers do.
            await File.WriteAllTextAsync(file + ".new", File_(number), TestContext.Current.CancellationToken);
            File.Move(file + ".new", file, overwrite: true);
            await Eventually.HoldsAsync(() => Told(malha.Output) > seen || load.Any(task => task.IsCompleted), $"reload {number} is told\n{malha.Output}");
        }
        var before = served.Sum();
        await Eventually.HoldsAsync(() => served.Sum() > before + 200 || load.Any(task => task.IsCompleted), "the load goes on");
        await done.CancelAsync();
        await Task.WhenAll(load);
        var output = malha.Output;
        Assert.InRange(Count(output, "\"reloaded\""), Reloads / 2, Reloads);
        Assert.InRange(Count(output, "\"reload-refused\""), Reloads / 2, Reloads);
        folder.Delete(recursive: true);

        // Odd ones are bad, each in another way; good ones change endpoints, routes and limits.
        string File_(int number) => number % 2 == 1
            ? (number % 4) switch { 1 => "listeners: [", _ => TestGateway.File(first.Url, $"timeout: {number}parsecs") }
            : TestGateway.File((number % 4 == 0 ? first : second).Url, $"timeout: {number + 5}s, maxConnections: {8 + number}", $"maxHeaders: {50 + number}",
                $"headers: {{ request: {{ set: {{ x-version: v{number} }} }} }}") + TestGateway.Quiet;

        static int Told(string output) => Count(output, "\"reloaded\"") + Count(output, "\"reload-refused\"");
    }

    [Fact]
    public async Task File_that_changed_after_it_was_read_and_before_it_was_watched_is_noticed()
    {
        await using var origin = ScriptedOrigin.Echoing();
        var before = TestGateway.File(origin.Url);
        await using var gateway = TestGateway.Start(before);
        var folder = Directory.CreateTempSubdirectory("malha-watch-");
        var file = Path.Combine(folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, TestGateway.File(origin.Url, "timeout: 7s"), TestContext.Current.CancellationToken);
        using var watcher = new ConfigFileWatcher(file, TestGateway.Read(before), gateway.Host, TimeProvider.System);
        await Eventually.HoldsAsync(() => gateway.Host.LastReload is { IsGood: true }, "it is read again");
        Assert.Equal(TimeSpan.FromSeconds(7), gateway.Service().Config.Timeout);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Listeners_are_added_removed_renamed_and_swapped()
    {
        await using var origin = ScriptedOrigin.Echoing();
        var (one, two, three) = (FreePort.Next(), FreePort.Next(), FreePort.Next());
        await using var gateway = TestGateway.Start(File_(("a", one), ("b", two)));
        await using var kept = await Peer.ConnectAsync(one);
        await AskAsync(kept);
        await using var leaving = await Peer.ConnectAsync(two);
        await AskAsync(leaving);
        var accepted = gateway.Host.Listeners.ToDictionary(listener => listener.Address.Port, listener => listener);

        // Added and removed: a connection on the one that goes is told so, or rests and ends; the other goes on.
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File_(("a", one), ("c", three)))));
        await using var added = await Peer.ConnectAsync(three);
        await AskAsync(added);
        await AskAsync(kept);
        Assert.Equal(ClientEnd.Closed, await leaving.ReadToEndAsync());
        await Assert.ThrowsAsync<SocketException>(() => Peer.ConnectAsync(two));

        // Renamed, and two that swap their addresses: the sockets stay.
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File_(("renamed", one), ("c", three)))));
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File_(("c", one), ("renamed", three)))));
        await AskAsync(kept);
        await AskAsync(added);
        Assert.Same(accepted[one], gateway.Host.Listeners.Single(listener => listener.Config.Name == "c"));

        // Moved: the new port is there, the old one gone.
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File_(("c", two), ("renamed", three)))));
        await using var moved = await Peer.ConnectAsync(two);
        await AskAsync(moved);
        await Assert.ThrowsAsync<SocketException>(() => Peer.ConnectAsync(one));
        Assert.Equal(ClientEnd.Closed, await kept.ReadToEndAsync());

        string File_(params (string Name, int Port)[] listeners) => $$"""
            listeners: { {{string.Join(", ", listeners.Select(listener => $"{listener.Name}: {{ address: \"127.0.0.1:{listener.Port}\" }}"))}} }
            services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """;
    }

    [Fact]
    public async Task Request_under_way_on_a_listener_that_goes_is_answered_and_its_connection_ended()
    {
        var release = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
            {
                await release.Task;
                await peer.SendAsync(ScriptedOrigin.Answer("late"));
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the request is under way");
        var listener = gateway.Host.Listeners.First();
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url).Replace("127.0.0.1:0", $"127.0.0.1:{FreePort.Next()}", StringComparison.Ordinal))));
        Assert.True(listener.IsDraining);
        release.SetResult();
        var answer = await client.ReadAnswerAsync();
        Assert.Equal((200, "late", "close"), (answer.Status, WireText.Text(answer.Body), answer.Value("Connection")));
        Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Clients_of_a_listener_that_goes_and_comes_meet_ends_only_between_answers()
    {
        await using var origin = ScriptedOrigin.Echoing();
        var (stays, moves) = (FreePort.Next(), FreePort.Next());
        await using var gateway = TestGateway.Start(File_(true));
        using var done = new CancellationTokenSource();
        var rounds = 0;
        var workers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                Peer client;
                try
                {
                    client = await Peer.ConnectAsync(moves);
                }
                catch (SocketException)
                {
                    // The listener is away just now.
                    await Task.Yield();
                    continue;
                }
                while (!done.IsCancellationRequested && await client.TrySendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray()))
                {
                    var head = await client.ReadHeadAsync();
                    // Ended between two answers: that is the server's right, and clients repeat. Never within one.
                    if (head is null)
                    {
                        Assert.Equal(0, client.Unread.Length);
                        break;
                    }
                    Assert.StartsWith("HTTP/1.1 200", head, StringComparison.Ordinal);
                    var length = int.Parse(head.Split("Content-Length: ")[1].Split('\r')[0], CultureInfo.InvariantCulture);
                    Assert.Equal(length, (await client.ReadAsync(length)).Length);
                    Interlocked.Increment(ref rounds);
                    if (head.Contains("Connection: close", StringComparison.Ordinal))
                        break;
                }
                await client.DisposeAsync();
            }
        })).ToArray();
        try
        {
            for (var number = 0; number < 40; number++)
            {
                Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File_(number % 2 == 1))));
                var before = Volatile.Read(ref rounds);
                if (number % 2 == 1)
                    await Eventually.HoldsAsync(() => Volatile.Read(ref rounds) > before + 5 || workers.Any(task => task.IsCompleted), "it serves again");
            }
        }
        finally
        {
            await done.CancelAsync();
        }
        await Task.WhenAll(workers);

        string File_(bool both) => $$"""
            listeners: { stays: { address: "127.0.0.1:{{stays}}" }{{(both ? $", moves: {{ address: \"127.0.0.1:{moves}\" }}" : "")}} }
            services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """;
    }

    [Fact]
    public async Task Taken_port_refuses_the_whole_reload()
    {
        await using var first = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("first"));
        await using var second = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("second"));
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        await using var gateway = TestGateway.Before(first);
        var free = FreePort.Next();
        var problem = await gateway.Host.ReloadAsync(TestGateway.Read($$"""
            listeners:
              edge: { address: "127.0.0.1:0" }
              free: { address: "127.0.0.1:{{free}}" }
              more: { address: "127.0.0.1:{{((IPEndPoint)taken.LocalEndPoint!).Port}}" }
            services: { origin: { endpoints: [ "{{second.Url}}" ] } }
            routes: [ { service: origin } ]
            """));
        Assert.Contains("listeners.more", problem, StringComparison.Ordinal);
        Assert.Contains("taken", problem, StringComparison.Ordinal);
        Assert.Equal("first", WireText.Text((await gateway.GetAsync()).Body));
        Assert.Single(gateway.Host.Listeners);
        Assert.Equal(1, gateway.Host.Plane.Model.Version);
        await Assert.ThrowsAsync<SocketException>(() => Peer.ConnectAsync(free));
    }

    [Fact]
    public async Task Endpoint_that_is_removed_finishes_what_it_has_and_gets_nothing_new()
    {
        var release = new TaskCompletionSource();
        var ended = 0;
        await using var leaving = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                if (request.Target == "/slow")
                    await release.Task;
                await peer.SendAsync(ScriptedOrigin.Answer("leaving"));
            }
            Interlocked.Increment(ref ended);
        });
        await using var staying = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("staying"));
        await using var gateway = TestGateway.Before(leaving);
        await using var slow = await gateway.ConnectAsync();
        await slow.SendAsync("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the request is under way");
        Assert.Equal("leaving", WireText.Text((await gateway.GetAsync()).Body));
        var endpoint = gateway.Service().Endpoints[0];
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(staying.Url))));
        Assert.Equal("staying", WireText.Text((await gateway.GetAsync()).Body));
        await Eventually.HoldsAsync(() => Volatile.Read(ref ended) == 1 && endpoint.Open == 1, "its idle connection is closed");
        release.SetResult();
        Assert.Equal("leaving", WireText.Text((await slow.ReadAnswerAsync()).Body));
        await Eventually.HoldsAsync(() => Volatile.Read(ref ended) == 2 && endpoint.Open == 0, "its last connection is closed");
        await slow.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("staying", WireText.Text((await slow.ReadAnswerAsync()).Body));
    }

    [Fact]
    public async Task Connections_and_counters_of_an_endpoint_that_stays_survive_a_reload()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        for (var number = 0; number < 10; number++)
        {
            await using (var client = await gateway.ConnectAsync())
            {
                await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
                // The answer may be here before the endpoint's connection is at rest again; the client's end comes after it.
                await client.ReadToEndAsync();
            }
            Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url, $"timeout: {number + 1}s"))));
        }
        Assert.Equal(1, origin.Connections);
    }

    [Fact]
    public async Task What_is_known_of_a_route_stays_with_it_and_goes_with_it()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File_("one"));
        var state = gateway.Service().State;
        var known = state.BaselineOf("one");
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File_("one", "timeout: 5s"))));
        Assert.Same(known, state.BaselineOf("one"));
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File_("two"))));
        Assert.NotSame(known, state.BaselineOf("one"));
        Assert.Same(state, gateway.Service().State);

        string File_(string route, string more = "timeout: 6s") => $$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ], {{more}} } }
            routes: [ { name: {{route}}, service: origin } ]
            """;
    }

    private static async Task AskAsync(int port, int worker, int[] served, CancellationToken done)
    {
        await using var client = await Peer.ConnectAsync(port);
        for (var number = 0; !done.IsCancellationRequested; number++)
        {
            var target = $"/{worker}/{number}";
            await client.SendAsync(number % 2 == 0
                ? $"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"
                : $"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{number % 100_000:d5}");
            var answer = await client.ReadAnswerAsync();
            var echo = WireText.Text(answer.Body);
            Assert.True(answer.Status == 200 && echo.Contains($" {target}\n", StringComparison.Ordinal), $"{target}: {answer.Status} {echo}");
            Interlocked.Increment(ref served[worker]);
        }
    }

    private static async Task AskAsync(Peer client)
    {
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}
