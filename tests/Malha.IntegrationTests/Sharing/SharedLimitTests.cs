using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Health;
using Malha.IntegrationTests.Traffic;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Sharing;

/// <summary>Three gateways and one Redis, a real one.</summary>
[Collection(nameof(ResourceTests))]
public sealed class SharedLimitTests
{
    private const string Password = "of-the-test";
    private const int Gateways = 3;

    /// <summary>Per second.</summary>
    private const int Rate = 200;

    [Theory]
    [InlineData("exact", 1.02)]
    [InlineData("leases", 1.10)]
    public async Task Limit_holds_over_three_gateways(string mode, double most)
    {
        await using var redis = await RedisAsync();
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateways = await FleetAsync(origin, redis.Port, mode);
        var (passed, answers, elapsed) = await LoadAsync(gateways, TimeSpan.FromSeconds(5));
        var whole = Rate + (Rate * elapsed.TotalSeconds);
        Assert.All(answers.Keys, status => Assert.Contains(status, new[] { 200, 429 }));
        Assert.True(answers[429] > passed / 10, "more was asked than the limit allows");
        // A machine that hardly gets to run settles late and gives away less; it never gives more.
        Assert.InRange(passed, whole * 0.8, whole * most);
    }

    [Theory]
    [InlineData("exact")]
    [InlineData("leases")]
    public async Task Without_the_store_each_has_its_part_at_once_and_together_again_when_it_is_back(string mode)
    {
        var redis = await RedisAsync();
        var port = redis.Port;
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateways = await FleetAsync(origin, port, mode);
        var ends = false;
        var load = LoadAsync(gateways, TimeSpan.FromMinutes(1), () => Volatile.Read(ref ends));
        await redis.DisposeAsync();
        await gateways.EventuallyAsync(shared => !shared.IsUp, "each counts alone");
        // The parts together are the limit, each with its part of the burst once more.
        var (alone, _, elapsed) = await LoadAsync(gateways, TimeSpan.FromSeconds(2));
        // The load that goes on takes the other half.
        Assert.InRange(alone, Rate * elapsed.TotalSeconds * 0.2, (Rate + (Rate * elapsed.TotalSeconds)) * 1.1);
        await using var again = await RealStore.StartRedisAsync(Password, port);
        await gateways.EventuallyAsync(shared => shared.IsUp && shared.Gateways == Gateways, "all count together again");
        Volatile.Write(ref ends, true);
        var (_, answers, _) = await load;
        // No request failed all the while.
        Assert.All(answers.Keys, status => Assert.Contains(status, new[] { 200, 429 }));
        Assert.All(gateways.All, gateway => Assert.True(gateway.Host.SharedLimits!.LocalDecisions > 0));
    }

    [Fact]
    public async Task Slow_store_makes_no_request_slow()
    {
        await using var redis = await RedisAsync();
        await using var relay = new SlowRelay(redis.Port, TimeSpan.FromMilliseconds(100));
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateways = await FleetAsync(origin, relay.Port, "leases");
        var times = new List<double>();
        await using var client = await gateways.All[0].ConnectAsync();
        for (var request = 0; request < 300; request++)
        {
            var started = Stopwatch.GetTimestamp();
            await client.SendAsync(Request);
            await client.ReadAnswerAsync();
            times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        times.Sort();
        Assert.True(times[270] < 100, $"nine of ten take at most {times[270]} ms");
        Assert.All(gateways.All, gateway => Assert.True(gateway.Host.SharedLimits!.IsUp));
    }

    [Fact]
    public async Task Store_that_is_too_slow_to_be_asked_each_time_is_not_asked()
    {
        await using var redis = await RedisAsync();
        await using var relay = new SlowRelay(redis.Port, TimeSpan.FromMilliseconds(100));
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, relay.Port, "exact"));
        await Eventually.HoldsAsync(() => gateway.Host.SharedLimits!.Failures > 2, "it is found too slow");
        Assert.False(gateway.Host.SharedLimits!.IsUp);
        Assert.Equal(200, (await gateway.AskAsync(Request)).Status);
        Assert.Equal(1, gateway.Host.SharedLimits!.LocalDecisions);
    }

    [Fact]
    public async Task Three_gateways_offer_a_service_what_one_would()
    {
        await using var redis = await RedisAsync();
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateways = await FleetAsync(origin, redis.Port, "leases", limit: "", service: ", capacity: { rate: 100/s, burst: 10 }");
        // Until each has heard what the others want.
        await LoadAsync(gateways, TimeSpan.FromSeconds(2));
        var (passed, _, elapsed) = await LoadAsync(gateways, TimeSpan.FromSeconds(4));
        Assert.InRange(passed / elapsed.TotalSeconds, 75, 115);
    }

    [Fact]
    public async Task Reload_takes_it_up_and_gives_it_up()
    {
        await using var redis = await RedisAsync();
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin.Url, redis.Port, mode: null));
        Assert.Null(gateway.Host.SharedLimits);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File(origin.Url, redis.Port, "leases"))));
        var shared = gateway.Host.SharedLimits!;
        await Eventually.HoldsAsync(() => shared.IsUp, "it counts with others");
        Assert.Equal(200, (await gateway.AskAsync(Request)).Status);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File(origin.Url, redis.Port, "leases"))));
        Assert.Same(shared, gateway.Host.SharedLimits);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File(origin.Url, redis.Port, mode: null))));
        Assert.Null(gateway.Host.SharedLimits);
        Assert.Equal(200, (await gateway.AskAsync(Request)).Status);
    }

    [Fact]
    public async Task Gateway_that_ends_without_the_store_tries_no_longer_to_reach_it()
    {
        var redis = await RedisAsync();
        var port = redis.Port;
        await using var origin = ScriptedOrigin.Echoing();
        var gateway = TestGateway.Start(File(origin.Url, port, "leases"));
        await Eventually.HoldsAsync(() => gateway.Host.SharedLimits!.IsUp, "it counts with others");
        await redis.DisposeAsync();
        await Eventually.HoldsAsync(() => !gateway.Host.SharedLimits!.IsUp, "it counts alone");
        await gateway.DisposeAsync();
        using var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        // It tried four times a second.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await listener.AcceptTcpClientAsync(patience.Token));
    }

    private const string Request = "GET / HTTP/1.1\r\nHost: a\r\nX-Team: billing\r\n\r\n";

    private static async Task<RealStore> RedisAsync()
    {
        var redis = await RealStore.StartRedisAsync(Password);
        Assert.SkipWhen(redis is null, "redis-server is missing: apt-get install redis-server");
        return redis!;
    }

    private static string File(string endpoint, int port, string? mode, string limit = ", limit: { rate: 200/s, burst: 200 }", string service = "") => $$"""
        listeners: { edge: { address: "127.0.0.1:0" } }
        clients: { billing: { header: { name: X-Team, value: billing }{{limit}} } }
        services: { origin: { endpoints: [ "{{endpoint}}" ], concurrency: off{{service}} } }
        routes: [ { service: origin } ]
        {{(mode is null ? "" : $$"""limits: { shared: "redis://:{{Password}}@127.0.0.1:{{port}}", mode: {{mode}}, timeout: 100ms }""")}}

        """;

    private static async Task<Fleet> FleetAsync(ScriptedOrigin origin, int port, string mode, string limit = ", limit: { rate: 200/s, burst: 200 }", string service = "")
    {
        var fleet = new Fleet([.. Enumerable.Range(0, Gateways).Select(_ => TestGateway.Start(File(origin.Url, port, mode, limit, service)))]);
        await fleet.EventuallyAsync(shared => shared.IsUp && shared.Gateways == Gateways, "all count together");
        return fleet;
    }

    /// <summary>Two clients at each gateway ask as quickly as they are answered.</summary>
    private static async Task<(int Passed, Dictionary<int, int> Answers, TimeSpan Elapsed)> LoadAsync(Fleet fleet, TimeSpan time, Func<bool>? ends = null)
    {
        var started = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(fleet.All.Concat(fleet.All).Select(gateway => Task.Run(async () =>
        {
            var answers = new Dictionary<int, int> { [200] = 0, [429] = 0 };
            await using var client = await gateway.ConnectAsync();
            while (Stopwatch.GetElapsedTime(started) < time && ends?.Invoke() != true)
            {
                await client.SendAsync(Request);
                var status = (await client.ReadAnswerAsync()).Status;
                answers[status] = answers.GetValueOrDefault(status) + 1;
            }
            return answers;
        })));
        var elapsed = Stopwatch.GetElapsedTime(started);
        var sum = all.SelectMany(one => one).GroupBy(one => one.Key).ToDictionary(group => group.Key, group => group.Sum(one => one.Value));
        return (sum[200], sum, elapsed);
    }

    private sealed class Fleet(TestGateway[] gateways) : IAsyncDisposable
    {
        public TestGateway[] All => gateways;

        public Task EventuallyAsync(Func<Malha.Proxy.Sharing.SharedLimits, bool> condition, string what) =>
            Eventually.HoldsAsync(() => gateways.All(gateway => condition(gateway.Host.SharedLimits!)), what);

        public async ValueTask DisposeAsync()
        {
            foreach (var gateway in gateways)
                await gateway.DisposeAsync();
        }
    }
}
