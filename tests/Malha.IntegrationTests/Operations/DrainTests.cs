using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Operations;

/// <summary>An endpoint runs empty under load: nobody loses a request, and it gets nothing more.</summary>
public sealed class DrainTests
{
    private const int Clients = 8;
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    public async Task Drain_under_load_loses_no_request_and_undo_brings_the_endpoint_back()
    {
        var asked = new int[2];
        await using var first = Counting(asked, 0);
        await using var second = Counting(asked, 1);
        await using var gateway = await StartAsync(first, second);
        await using var load = new Load(gateway.Port);
        await Eventually.HoldsAsync(() => Volatile.Read(ref asked[0]) > 50 && Volatile.Read(ref asked[1]) > 50, "both have traffic");

        var drained = await OperatorCommand.RunAsync(gateway, "drain", first.Url, "--wait", "--timeout", "10s", "--json");
        Assert.Equal((0, ""), (drained.Code, drained.Error));
        Assert.Equal((true, 0), (drained.Json.GetProperty("draining").GetBoolean(), drained.Json.GetProperty("inFlight").GetInt32()));
        var (atFirst, atSecond) = (Volatile.Read(ref asked[0]), Volatile.Read(ref asked[1]));
        await Eventually.HoldsAsync(() => Volatile.Read(ref asked[1]) > atSecond + 200, "the other goes on");
        Assert.Equal(atFirst, Volatile.Read(ref asked[0]));
        Assert.Equal(0, gateway.Host.Plane.Model.Services["web"].Endpoints[0].Open);

        Assert.Equal(0, (await OperatorCommand.RunAsync(gateway, "drain", $"web/{first.Url}", "--undo")).Code);
        await Eventually.HoldsAsync(() => Volatile.Read(ref asked[0]) > atFirst + 50, "it has traffic again");
        Assert.All(await load.StopAsync(), statuses => Assert.Equal([200], statuses));
    }

    [Fact]
    public async Task What_is_under_way_ends_and_the_command_waits_for_it()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
            {
                await release.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
                await peer.SendAsync(ScriptedOrigin.Answer("late"));
            }
        });
        await using var gateway = await RunningGateway.StartAsync($"services: {{ web: {{ endpoints: [ \"{origin.Url}\" ] }} }}\nroutes: [ {{ service: web }} ]\n");
        await using var client = await Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(Get);
        var endpoint = gateway.Host.Plane.Model.Services["web"].Endpoints[0];
        await Eventually.HoldsAsync(() => endpoint.InFlight == 1, "it is under way");

        var early = await OperatorCommand.RunAsync(gateway, "drain", origin.Url, "--wait", "--timeout", "1ms");
        Assert.Equal(1, early.Code);
        Assert.Contains("draining, 1 under way", early.Output, StringComparison.Ordinal);
        var waiting = OperatorCommand.RunAsync(gateway, "drain", origin.Url, "--wait", "--timeout", "20s");
        await using var other = await Peer.ConnectAsync(gateway.Port);
        await other.SendAsync(Get);
        var refused = Problem.Has(await other.ReadAnswerAsync(), 503, "no-endpoint", "malha drain");
        Assert.Equal("all endpoints of the service are draining", refused.GetProperty("detail").GetString());

        release.SetResult();
        Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        var done = await waiting;
        Assert.Equal(0, done.Code);
        Assert.EndsWith("draining, and empty: nothing is under way\n", done.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reload_keeps_it_and_another_way_to_reach_the_endpoint_does_so_too()
    {
        const string Nobody = "https://127.0.0.1:1";
        await using var gateway = TestGateway.Start(TestGateway.File(Nobody));
        gateway.Host.Drain(gateway.Service(), gateway.Service().Endpoints[0], true);
        foreach (var keys in (string[])["timeout: 7s", "tls: { serverName: shop.example }"])
        {
            Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(Nobody, keys))));
            Problem.Has(await gateway.GetAsync(), 503, "no-endpoint", "malha drain");
        }
        gateway.Host.Drain(gateway.Service(), gateway.Service().Endpoints[0], false);
        Problem.Has(await gateway.GetAsync(), 502, "connect-failed");
    }

    [Fact]
    public async Task Healthy_endpoint_that_drains_leaves_the_unhealthy_one_alone()
    {
        await using var well = Counting(new int[1], 0);
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{well.Url}}", "http://127.0.0.1:1" ], health: { path: /health, every: 100ms, timeout: 100ms, rise: 1, fall: 1 } } }
            routes: [ { service: origin } ]
            """);
        var endpoints = gateway.Service().Endpoints;
        await Eventually.HoldsAsync(() => endpoints[0].Health.IsUsable && !endpoints[1].Health.IsUsable, "the checks tell them apart");
        gateway.Host.Drain(gateway.Service(), endpoints[0], true);
        var problem = Problem.Has(await gateway.GetAsync(), 503, "no-endpoint", "malha drain");
        Assert.Equal("the endpoints of the service that could be used are draining", problem.GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Endpoint_of_several_services_must_be_named_with_one_of_them()
    {
        await using var origin = Counting(new int[1], 0);
        await using var gateway = await RunningGateway.StartAsync(
            $"services: {{ a: {{ endpoints: [ \"{origin.Url}\" ] }}, b: {{ endpoints: [ \"{origin.Url}\" ] }} }}\nroutes: [ {{ match: {{ path: /a }}, service: a }}, {{ service: b }} ]\n");
        var unclear = await OperatorCommand.RunAsync(gateway, "drain", origin.Url);
        Assert.Equal((1, ""), (unclear.Code, unclear.Output));
        Assert.Contains($"a/{origin.Url}, b/{origin.Url}", unclear.Error, StringComparison.Ordinal);
        var unknown = await OperatorCommand.RunAsync(gateway, "drain", "http://127.0.0.1:9");
        Assert.Equal(1, unknown.Code);
        Assert.Contains($"there are a/{origin.Url}, b/{origin.Url}", unknown.Error, StringComparison.Ordinal);

        Assert.Equal(0, (await OperatorCommand.RunAsync(gateway, "drain", $"b/{origin.Url}")).Code);
        var services = gateway.Host.Plane.Model.Services;
        Assert.Equal((false, true), (services["a"].Endpoints[0].IsDraining, services["b"].Endpoints[0].IsDraining));
        var shown = (await gateway.AskAsync("/api/v1/services")).Json.GetProperty("items");
        Assert.Equal([0, 1], shown.EnumerateArray().Select(service => service.GetProperty("draining").GetInt32()));
    }

    private static ScriptedOrigin Counting(int[] asked, int index) => ScriptedOrigin.Answering(_ =>
    {
        Interlocked.Increment(ref asked[index]);
        return ScriptedOrigin.Answer("ok");
    });

    private static Task<RunningGateway> StartAsync(ScriptedOrigin first, ScriptedOrigin second) => RunningGateway.StartAsync(
        $"services: {{ web: {{ endpoints: [ \"{first.Url}\", \"{second.Url}\" ] }} }}\nroutes: [ {{ service: web }} ]\naccessLog: {{ format: off }}\n");

    /// <summary>Clients that ask one request after the other until they are told to stop.</summary>
    private sealed class Load : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        private readonly Task<HashSet<int>[]> _clients;

        public Load(int port) => _clients = Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => AskAsync(port)));

        /// <summary>The statuses that each of them saw.</summary>
        public async Task<HashSet<int>[]> StopAsync()
        {
            await _stop.CancelAsync();
            return await _clients;
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _stop.Dispose();
        }

        private async Task<HashSet<int>> AskAsync(int port)
        {
            var statuses = new HashSet<int>();
            await using var client = await Peer.ConnectAsync(port);
            while (!_stop.IsCancellationRequested)
            {
                await client.SendAsync(Get);
                statuses.Add((await client.ReadAnswerAsync()).Status);
            }
            return statuses;
        }
    }
}
