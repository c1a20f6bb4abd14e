using System.Globalization;
using System.Text.Json;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.SelfProtection;

namespace Malha.IntegrationTests.Traffic;

/// <summary>The gateway protects itself: what it gives up, in which order, and that it recovers.</summary>
[Collection(nameof(ResourceTests))]
public sealed class SelfProtectionTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    public async Task Full_gateway_gives_up_keep_alive_then_the_lowest_class_then_new_connections_and_recovers()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                if (request.Target == "/slow")
                    await release.Task.WaitAsync(Peer.Patience);
                await peer.SendAsync(ScriptedOrigin.Answer(request.Target));
            }
        });
        using var released = new AtEnd(() => release.TrySetResult());
        await using var gateway = TestGateway.Start(File(origin.Url, "connections: 20"));
        await using var slow = await gateway.ConnectAsync();
        await slow.SendAsync("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        var clients = new List<Peer>();
        async Task JoinAsync(int count)
        {
            var protection = gateway.Host.Plane.Protection;
            for (var have = protection.Connections; have < count; have++)
                clients.Add(await gateway.ConnectAsync());
            await Eventually.HoldsAsync(() => protection.Connections == count, $"{count} are connected, and are {protection.Connections}");
        }

        Task EndedAsync(int left) => Eventually.HoldsAsync(() => gateway.Host.Plane.Protection.Connections == left, $"{left} are left");

        await EndedAsync(1);
        await JoinAsync(15);
        Assert.Equal((200, null), await AskAsync(clients[0], "batch"));
        // One that rests would be let go at a time of the gateway's choosing, and the numbers below would not be certain.
        await clients[0].DisposeAsync();
        await EndedAsync(14);

        // 80 %: answers end their connections.
        await JoinAsync(16);
        await StageAsync(gateway, ProtectionStage.NoKeepAlive);
        Assert.Equal((200, "close"), await AskAsync(clients[1], "batch"));
        Assert.Equal(ClientEnd.Closed, await clients[1].ReadToEndAsync());
        await EndedAsync(15);
        await JoinAsync(18);

        // 90 %: the lowest class is refused, the other served.
        await StageAsync(gateway, ProtectionStage.Shedding);
        await clients[2].SendAsync(Ask("batch"));
        var refused = await clients[2].ReadAnswerAsync();
        Problem.Has(refused, 503, "self-protection", "protection.connections", 20, "connections", "connection_limit_reached");
        Assert.Equal("1", refused.Value("Retry-After"));
        Assert.Equal(ClientEnd.Closed, await clients[2].ReadToEndAsync());
        await EndedAsync(17);
        await JoinAsync(18);
        Assert.Equal((200, "close"), await AskAsync(clients[3], "billing"));
        await EndedAsync(17);
        await JoinAsync(19);

        // 95 %: who comes now waits, and no request in flight is lost.
        await StageAsync(gateway, ProtectionStage.NotAccepting);
        release.SetResult();
        Assert.Equal(200, (await slow.ReadAnswerAsync()).Status);
        await EndedAsync(18);
        await clients[5].DisposeAsync();
        await EndedAsync(17);
        await JoinAsync(19);
        await StageAsync(gateway, ProtectionStage.NotAccepting);
        var waiting = new List<Peer>();
        for (var count = 0; count < 5; count++)
            waiting.Add(await gateway.ConnectAsync());
        var before = gateway.Host.Listeners.First().Accepted;
        foreach (var one in waiting)
            await one.SendAsync(Ask("billing"));
        var answers = waiting.Select(one => one.ReadAnswerAsync()).ToArray();
        Assert.Equal((200, "close"), await AskAsync(clients[4], "billing"));
        // An accept that was under way when the stage began may take one more.
        Assert.InRange(gateway.Host.Listeners.First().Accepted, before, before + 1);

        foreach (var client in clients)
            client.Socket.Dispose();
        foreach (var answer in answers)
            Assert.Equal(200, (await answer).Status);
        foreach (var one in waiting)
            await one.DisposeAsync();
        await StageAsync(gateway, ProtectionStage.Normal);
        await using var late = await gateway.ConnectAsync();
        Assert.Equal((200, null), await AskAsync(late, "batch"));
        Assert.Equal((200, null), await AskAsync(late, "batch"));
    }

    [Fact]
    public async Task Memory_that_is_used_up_refuses_until_there_is_more()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, "connections: off"));
        var protection = gateway.Host.Plane.Protection;
        await using var client = await gateway.ConnectAsync();
        Assert.Equal((200, null), await AskAsync(client, "batch"));
        var used = protection.Uses().First(use => use.Kind == BudgetKind.Memory).Used;
        protection.Update(ProtectionLimits.None with { Memory = used / 2 });
        Assert.Equal(ProtectionStage.NotAccepting, protection.Stage);
        await using var waiting = await gateway.ConnectAsync();
        await waiting.SendAsync(Ask("batch"));
        Problem.Has(await waiting.ReadAnswerAsync(), 503, "self-protection", "protection.memory", used / 2, "bytes");
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File(origin.Url, "files: off"))));
        await StageAsync(gateway, ProtectionStage.Normal);
        await using var late = await gateway.ConnectAsync();
        Assert.Equal((200, null), await AskAsync(late, "batch"));
    }

    [Fact]
    public async Task Resting_connections_make_room_for_those_that_wait()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, "connections: 100"));
        var resting = await Task.WhenAll(Enumerable.Range(0, 70).Select(_ => gateway.ConnectAsync()));
        foreach (var one in resting)
            Assert.Equal((200, null), await AskAsync(one, "batch"));
        // These have not asked yet and are left alone; together they are too many.
        var silent = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => gateway.ConnectAsync()));
        await Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Accepted >= 110, "all have come in after all");
        foreach (var one in silent)
            Assert.Equal(200, (await AskAsync(one, "billing")).Status);
        var gone = await Task.WhenAll(resting.Where(one => one.Socket.Poll(0, System.Net.Sockets.SelectMode.SelectRead)).Select(one => one.ReadToEndAsync()));
        Assert.NotEmpty(gone);
        Assert.All(gone, end => Assert.Equal(ClientEnd.Closed, end));
        foreach (var one in resting.Concat(silent))
            await one.DisposeAsync();
    }

    [Fact]
    public async Task Idle_connections_to_endpoints_are_closed_when_it_is_tight()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, "connections: 10"));
        await using var first = await gateway.ConnectAsync();
        Assert.Equal((200, null), await AskAsync(first, "batch"));
        Assert.Equal(1, gateway.Service().Endpoints[0].Open);
        var crowd = await Task.WhenAll(Enumerable.Range(0, 7).Select(_ => gateway.ConnectAsync()));
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].Open == 0, "the idle one is closed");
        foreach (var one in crowd)
            await one.DisposeAsync();
    }

    [Fact]
    public async Task Hundred_uploads_stay_within_the_buffers_budget_and_all_arrive()
    {
        var arrived = 0;
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            var head = await peer.ReadHeadAsync();
            if (head is null)
                return;
            Interlocked.Increment(ref arrived);
            await release.Task.WaitAsync(Peer.Patience);
            var length = int.Parse(head.Split("Content-Length: ")[1].Split('\r')[0], CultureInfo.InvariantCulture);
            var body = await peer.ReadAsync(length);
            await peer.SendAsync(ScriptedOrigin.Answer($"{body.Length} {body.Distinct().Single()}"));
        });
        using var released = new AtEnd(() => release.TrySetResult());
        await using var gateway = TestGateway.Start(File(origin.Url, "buffers: 1MiB", "concurrency: off"));
        var buffers = gateway.Host.Plane.Protection.Buffers;
        var clients = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => gateway.ConnectAsync()));
        var most = 0L;
        var sending = clients.Select(async (client, number) =>
        {
            // The last byte comes later: until then every upload is under way.
            await client.SendAsync((byte[])[.. WireText.Bytes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n"), .. Enumerable.Repeat((byte)number, 65_535)]);
        }).ToArray();
        await Eventually.HoldsAsync(() => (most = Math.Max(most, buffers.Used)) > 0 && Volatile.Read(ref arrived) == 100, $"all are under way, and are {arrived}");
        release.SetResult();
        await Task.WhenAll(sending);
        most = Math.Max(most, buffers.Used);
        for (var number = 0; number < clients.Length; number++)
            await clients[number].SendAsync((byte[])[(byte)number]);
        for (var number = 0; number < clients.Length; number++)
        {
            var answer = await clients[number].ReadAnswerAsync();
            Assert.Equal((200, $"65536 {number}"), (answer.Status, WireText.Text(answer.Body)));
            await clients[number].DisposeAsync();
        }
        Assert.InRange(most, 700_000, 1 << 20);
        Assert.InRange(buffers.Streamed, 80, 100);
        await Eventually.HoldsAsync(() => buffers.Used == 0, "all is given back");
    }

    [Fact]
    public async Task Chunked_bodies_with_trailers_stream_through_small_buffers()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, "buffers: 1MiB", "concurrency: off"));
        // Eight take the half of the budget in which bodies are kept.
        var keeping = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => gateway.ConnectAsync()));
        foreach (var one in keeping)
            await one.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Host.Plane.Protection.Buffers.Used == 8 * 65_536, "half is taken");
        var body = string.Concat(Enumerable.Repeat($"1000;x=y\r\n{new string('b', 4096)}\r\n", 40));
        var trailers = string.Concat(Enumerable.Range(0, 30).Select(number => $"X-{number}: {new string('t', 200)}\r\n"));
        var echo = await gateway.AskAsync($"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n{trailers}\r\n");
        Assert.EndsWith(new string('b', 40 * 4096), WireText.Text(echo.Body), StringComparison.Ordinal);
        Assert.Equal(1, gateway.Host.Plane.Protection.Buffers.Streamed);
        foreach (var one in keeping)
            await one.DisposeAsync();
    }

    [Fact]
    public async Task What_a_route_buffers_is_checked_however_tight_it_is()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, "buffers: 1MiB", "concurrency: off", "bufferRequests: 64KiB"));
        var keeping = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => gateway.ConnectAsync()));
        foreach (var one in keeping)
            await one.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Host.Plane.Protection.Buffers.Used == 8 * 65_536, "half is taken");
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (var piece = 0; piece < 12; piece++)
            await client.SendAsync($"1000\r\n{new string('b', 4096)}\r\n");
        await client.TrySendAsync(WireText.Bytes("zz\r\n"));
        Problem.Has(await client.ReadAnswerAsync(), 400, "malformed-request");
        Assert.Equal(0, origin.Connections);
        foreach (var one in keeping)
            await one.DisposeAsync();
    }

    [Fact]
    public async Task Program_with_few_descriptors_survives_twice_as_many_connections_and_serves_again()
    {
        const int Limit = 400;
        await using var origin = ScriptedOrigin.Echoing();
        await using var malha = await StartAsync(File(origin.Url, "files: off", "concurrency: off") + "admin: { address: \"127.0.0.1:0\" }" + TestGateway.Quiet, Limit);
        var crowd = new List<Peer>();
        for (var count = 0; count < 2 * Limit; count++)
            crowd.Add(await Peer.ConnectAsync(malha.Listener("edge")));
        await Eventually.HoldsAsync(() => malha.Output.Contains("accept-failed", StringComparison.Ordinal), "accepting fails");
        await using var admin = await Peer.ConnectAsync(malha.Listener("admin"));
        var spent = ProcessFacts.ProcessorTime(malha.ProcessId);
        using (var timer = new PeriodicTimer(TimeSpan.FromSeconds(1)))
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        // A listener that tried again at once would burn a core, the admin API's too.
        Assert.InRange(ProcessFacts.ProcessorTime(malha.ProcessId) - spent, TimeSpan.Zero, TimeSpan.FromMilliseconds(500));

        // Without a descriptor for the endpoint's connection: a refusal that says why, and no connection lost.
        await crowd[0].SendAsync(Get);
        Problem.Has(await crowd[0].ReadAnswerAsync(), 503, "self-protection", "protection.files");
        foreach (var one in crowd)
            await one.DisposeAsync();
        await using var late = await Peer.ConnectAsync(malha.Listener("edge"));
        await late.SendAsync(Get);
        Assert.Equal(200, (await late.ReadAnswerAsync()).Status);
        await admin.SendAsync("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Assert.Equal(200, (await admin.ReadAnswerAsync()).Status);
        Assert.DoesNotContain("\"bug\"", malha.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Budget_of_descriptors_keeps_enough_for_everything_else()
    {
        const int Limit = 400;
        await using var origin = ScriptedOrigin.Echoing();
        await using var malha = await StartAsync(File(origin.Url, "files: 90%", "concurrency: off") + "admin: { address: \"127.0.0.1:0\" }" + TestGateway.Quiet, Limit);
        using var admin = new HttpClient { BaseAddress = new Uri($"http://{malha.Listener("admin")}") };
        // What the start itself opens is counted within a second.
        long counted;
        do
        {
            using var start = JsonDocument.Parse(await admin.GetStringAsync("/api/v1/protection", TestContext.Current.CancellationToken));
            counted = start.RootElement.GetProperty("budgets").EnumerateArray().First(budget => budget.GetProperty("rule").GetString() == "protection.files").GetProperty("used").GetInt64();
        }
        while (counted < ProcessFacts.OpenFiles(malha.ProcessId) - 5);
        var crowd = new List<Peer>();
        for (var count = 0; count < 2 * Limit; count++)
            crowd.Add(await Peer.ConnectAsync(malha.Listener("edge")));
        await Eventually.HoldsAsync(() => malha.Output.Contains("not-accepting", StringComparison.Ordinal), "it stops accepting");
        Assert.DoesNotContain("accept-failed", malha.Output, StringComparison.Ordinal);
        await crowd[0].SendAsync(Ask("billing"));
        var served = await crowd[0].ReadAnswerAsync();
        Assert.True(served.Status == 200, WireText.Text(served.Body));

        using var view = JsonDocument.Parse(await admin.GetStringAsync("/api/v1/protection", TestContext.Current.CancellationToken));
        Assert.Equal(("not-accepting", "protection.files"), (view.RootElement.GetProperty("stage").GetString(), view.RootElement.GetProperty("rule").GetString()));
        var ready = await admin.GetAsync("/readyz", TestContext.Current.CancellationToken);
        Assert.Equal((503, "not accepting: protection.files\n"), ((int)ready.StatusCode, await ready.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
        foreach (var one in crowd)
            await one.DisposeAsync();
        await Eventually.HoldsAsync(() => malha.Output.Contains("\"stage\":\"normal\"", StringComparison.Ordinal), "all is well again");
    }

    [Fact]
    public async Task Refusing_costs_less_than_serving()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("MALHA_TEST_ALL") is "1", "measures times: runs with ./test --all");
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, "connections: 200"));
        var served = await FastestAsync(gateway, 200);
        var crowd = await Task.WhenAll(Enumerable.Range(0, 182).Select(_ => gateway.ConnectAsync()));
        await StageAsync(gateway, ProtectionStage.Shedding);
        var refused = await FastestAsync(gateway, 503);
        Assert.True(refused < served, $"{refused.TotalMilliseconds} ms for refusals, {served.TotalMilliseconds} ms for answers");
        foreach (var one in crowd)
            await one.DisposeAsync();
    }

    // Each request on a connection of its own, as a refusal ends it.
    private static async Task<TimeSpan> FastestAsync(TestGateway gateway, int status)
    {
        var fastest = TimeSpan.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var started = TimeProvider.System.GetTimestamp();
            for (var request = 0; request < 100; request++)
                Assert.Equal(status, (await gateway.AskAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).Status);
            var took = TimeProvider.System.GetElapsedTime(started);
            fastest = took < fastest ? took : fastest;
        }
        return fastest;
    }

    private static string Ask(string team) => $"GET / HTTP/1.1\r\nHost: a\r\nX-Team: {team}\r\n\r\n";

    private static async Task<(int Status, string? Connection)> AskAsync(Peer client, string team)
    {
        await client.SendAsync(Ask(team));
        var answer = await client.ReadAnswerAsync();
        return (answer.Status, answer.Value("Connection"));
    }

    private static async Task<MalhaProcess> StartAsync(string file, int openFiles)
    {
        var folder = Directory.CreateTempSubdirectory("malha-files-");
        var path = Path.Combine(folder.FullName, "malha.yaml");
        await System.IO.File.WriteAllTextAsync(path, file, TestContext.Current.CancellationToken);
        var malha = await MalhaProcess.StartAsync(["run", path], 2, new Dictionary<string, string> { ["XDG_RUNTIME_DIR"] = folder.FullName }, openFiles);
        folder.Delete(recursive: true);
        return malha;
    }

    private static Task StageAsync(TestGateway gateway, ProtectionStage stage) =>
        Eventually.HoldsAsync(() => gateway.Host.Plane.Protection.Stage == stage, $"the stage is {stage}, and is {gateway.Host.Plane.Protection.Stage}");

    private static string File(string endpoint, string protection, string service = "concurrency: off", string route = "match: {}") => $$"""
        listeners: { edge: { address: "127.0.0.1:0" } }
        classes: { critical: { share: 50% }, batch: { share: 50% } }
        clients: { billing: { header: { name: X-Team, value: billing }, class: critical }, anyone: { any: true, class: batch } }
        services: { origin: { endpoints: [ "{{endpoint}}" ], {{service}} } }
        routes: [ { service: origin, {{route}} } ]
        protection: { memory: off, {{protection}} }

        """;
}
