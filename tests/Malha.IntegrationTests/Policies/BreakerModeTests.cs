using System.Globalization;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Telemetry.Logging;
using Malha.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Policies;

/// <summary>An operator's word for breakers, as clients meet it: over real connections, in virtual time.</summary>
public sealed class BreakerModeTests
{
    private const string Rules = "breaker: { failures: off, consecutive: 3, open: 5s..5s, probes: 1, ramp: 10s }";
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    private readonly FakeTimeProvider _time = new();
    private int _asked;
    private bool _isSick;

    [Fact]
    public async Task Forced_open_refuses_at_once_until_the_word_has_lapsed()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Rules, time: _time);
        Set(gateway, BreakerMode.ForcedOpen, TimeSpan.FromSeconds(90));

        var refused = await gateway.GetAsync();
        var problem = Problem.Has(refused, 503, "breaker-open", "malha breaker open", proxyError: "destination_unavailable");
        Assert.Equal((90, 90_000), (int.Parse(refused.Value("Retry-After")!, CultureInfo.InvariantCulture), problem.GetProperty("retryAfterMs").GetInt64()));
        Assert.Equal(0, _asked);

        _time.Advance(TimeSpan.FromSeconds(89));
        Problem.Has(await gateway.GetAsync(), 503, "breaker-open", "malha breaker open");
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
    }

    [Fact]
    public async Task Word_without_a_time_holds_for_ten_minutes()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Rules + ", timeout: 60s", time: _time);
        Set(gateway, BreakerMode.ForcedOpen);
        Assert.Equal("600", (await gateway.GetAsync()).Value("Retry-After"));
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
    }

    [Fact]
    public async Task Forced_closed_lets_pass_what_an_open_breaker_refused_and_does_not_open()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Rules, time: _time);
        await using var client = await gateway.ConnectAsync();
        _isSick = true;
        for (var failure = 0; failure < 3; failure++)
            await AskAsync(client);
        Problem.Has(await AskAsync(client), 503, "breaker-open", "services.origin.breaker.consecutive");

        Set(gateway, BreakerMode.ForcedClosed);
        for (var failure = 0; failure < 10; failure++)
            Assert.Equal(500, (await AskAsync(client)).Status);
        Assert.Equal((BreakerState.Closed, 10, 10), (Snapshot(gateway).State, Snapshot(gateway).Calls, Snapshot(gateway).Failures));
    }

    [Fact]
    public async Task Shadow_reports_what_it_would_have_refused_and_refuses_nothing()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Rules, time: _time);
        await using var client = await gateway.ConnectAsync();
        _isSick = true;
        Set(gateway, BreakerMode.Shadow);
        for (var failure = 0; failure < 10; failure++)
            Assert.Equal(500, (await AskAsync(client)).Status);
        Assert.Equal(BreakerState.Open, Snapshot(gateway).State);
        Assert.Equal(7, gateway.Service().Endpoints[0].Metrics.ShadowRefusals);
        Assert.Equal(10, _asked);
    }

    [Fact]
    public async Task Disabled_looks_at_nothing_and_auto_takes_it_back()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Rules, time: _time);
        await using var client = await gateway.ConnectAsync();
        _isSick = true;
        Set(gateway, BreakerMode.Disabled);
        for (var failure = 0; failure < 10; failure++)
            Assert.Equal(500, (await AskAsync(client)).Status);
        Assert.Equal((BreakerState.Closed, 0), (Snapshot(gateway).State, Snapshot(gateway).Calls));

        Set(gateway, BreakerMode.Auto);
        for (var failure = 0; failure < 3; failure++)
            Assert.Equal(500, (await AskAsync(client)).Status);
        Problem.Has(await AskAsync(client), 503, "breaker-open", "services.origin.breaker.consecutive");
    }

    [Fact]
    public async Task Service_without_rules_can_be_shut_off_and_a_reload_does_not_open_it_again()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, time: _time);
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Set(gateway, BreakerMode.ForcedOpen);
        Problem.Has(await gateway.GetAsync(), 503, "breaker-open", "malha breaker open");
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url, "timeout: 7s"))));
        Problem.Has(await gateway.GetAsync(), 503, "breaker-open", "malha breaker open");

        Set(gateway, BreakerMode.Auto);
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        // What nobody needs any more goes with the next reload.
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url))));
        Assert.Null(gateway.Service().Endpoints[0].Breaker);
    }

    [Fact]
    public async Task One_endpoint_is_shut_off_and_the_other_serves()
    {
        await using var first = Origin();
        await using var second = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("second"));
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{first.Url}}", "{{second.Url}}" ], {{Rules}} } }
            routes: [ { service: origin } ]
            """, _time);
        await using var client = await gateway.ConnectAsync();
        gateway.Host.SetBreaker(gateway.Service(), gateway.Service().Endpoints[0], BreakerMode.ForcedOpen, null);
        for (var asked = 0; asked < 20; asked++)
            Assert.Equal("second", WireText.Text((await AskAsync(client)).Body));
        Assert.Equal(0, _asked);
    }

    [Fact]
    public async Task Every_change_of_state_is_an_event_and_is_counted_in_order()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Rules, time: _time);
        var moves = new List<OperationalEvent>();
        gateway.Host.Telemetry.Events.Follow(entry =>
        {
            lock (moves)
                moves.Add(entry);
        });
        await using var client = await gateway.ConnectAsync();
        _isSick = true;
        for (var failure = 0; failure < 3; failure++)
            await AskAsync(client);
        _isSick = false;
        _time.Advance(TimeSpan.FromSeconds(5.1));
        Assert.Equal(200, (await AskAsync(client)).Status);

        await Eventually.HoldsAsync(() => Moves().Length == 3, "three changes are told");
        Assert.Equal(["closed>open", "open>half-open", "half-open>ramping"], Moves().Select(move => $"{Field(move, "from").Text}>{Field(move, "to").Text}"));
        var opened = Moves()[0];
        Assert.Equal((EventLevel.Warning, "origin", origin.Url), (opened.Level, Field(opened, "service").Text, Field(opened, "endpoint").Text));
        Assert.Equal(("consecutive", 3, 3), (Field(opened, "rule").Text, Field(opened, "observed").Number, Field(opened, "limit").Number));
        Assert.InRange(Field(opened, "openForMs").Number, 2_500, 5_000);
        var metrics = gateway.Service().Endpoints[0].Metrics;
        Assert.Equal((1, 1, 1), (metrics.BreakerMoves(BreakerState.Open), metrics.BreakerMoves(BreakerState.HalfOpen), metrics.BreakerMoves(BreakerState.Ramping)));

        OperationalEvent[] Moves()
        {
            lock (moves)
                return [.. moves.Where(move => move.Name == "breaker-moved")];
        }
    }

    private static EventField Field(OperationalEvent entry, string name) => entry.Fields.Single(field => field.Name == name);

    private static void Set(TestGateway gateway, BreakerMode mode, TimeSpan? lasting = null) => gateway.Host.SetBreaker(gateway.Service(), null, mode, lasting);

    private BreakerSnapshot Snapshot(TestGateway gateway) => gateway.Service().Endpoints[0].Breaker!.Snapshot(gateway.Host.Plane.Clock.Now);

    private ScriptedOrigin Origin() => ScriptedOrigin.Answering(_ =>
    {
        Interlocked.Increment(ref _asked);
        return Volatile.Read(ref _isSick) ? ScriptedOrigin.Answer("sick", status: 500) : ScriptedOrigin.Answer("well");
    });

    private static async Task<WireAnswer> AskAsync(Peer client)
    {
        await client.SendAsync(Get);
        return await client.ReadAnswerAsync();
    }
}
