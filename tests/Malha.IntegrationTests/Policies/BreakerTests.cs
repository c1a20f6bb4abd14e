using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Policies;

/// <summary>Breakers over real connections, in virtual time: who is spared, what the refusal says, and how a service comes back.</summary>
public sealed class BreakerTests
{
    private const string Five = "breaker: { failures: 50%, consecutive: 5, window: 10s, minimum: 20, open: 5s..300s, probes: 3, ramp: 10s }";
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    private readonly FakeTimeProvider _time = new();
    private int _asked;
    private bool _isWell;

    [Fact]
    public async Task Five_failures_in_a_row_open_and_the_refusal_tells_why_and_for_how_long()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Five, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var failure = 0; failure < 5; failure++)
            Assert.Equal(500, (await AskAsync(client)).Status);

        var refused = await AskAsync(client);
        var problem = Problem.Has(refused, 503, "breaker-open", "services.origin.breaker.consecutive", 5, "failures", "destination_unavailable");
        Assert.InRange(problem.GetProperty("retryAfterMs").GetInt64(), 1, 5_000);
        Assert.InRange(int.Parse(refused.Value("Retry-After")!, System.Globalization.CultureInfo.InvariantCulture), 1, 5);
        Assert.Equal(5, _asked);
        Assert.True(refused.KeepsConnection);
    }

    [Fact]
    public async Task Opened_breaker_probes_ramps_and_closes_and_a_caller_that_comes_alone_is_not_refused_meanwhile()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Five, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var failure = 0; failure < 5; failure++)
            await AskAsync(client);
        _isWell = true;
        _time.Advance(TimeSpan.FromSeconds(5.1));

        // Two of three probes close it.
        Assert.Equal(200, (await AskAsync(client)).Status);
        Assert.Equal(BreakerState.HalfOpen, State(gateway));
        Assert.Equal(200, (await AskAsync(client)).Status);
        Assert.Equal(BreakerState.Ramping, State(gateway));

        var passed = 0;
        for (var asked = 0; asked < 100; asked++)
            passed += (await AskAsync(client)).Status == 200 ? 1 : 0;
        Assert.Equal(100, passed);
        Assert.Equal(BreakerState.Ramping, State(gateway));
        for (var second = 0; second < 20 && State(gateway) != BreakerState.Closed; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await AskAsync(client);
        }
        Assert.Equal(BreakerState.Closed, State(gateway));
        for (var asked = 0; asked < 20; asked++)
            Assert.Equal(200, (await AskAsync(client)).Status);
    }

    [Fact]
    public async Task Probe_that_fails_opens_it_again()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Five, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var failure = 0; failure < 5; failure++)
            await AskAsync(client);
        _time.Advance(TimeSpan.FromSeconds(5.1));
        Assert.Equal(500, (await AskAsync(client)).Status);
        Assert.Equal(500, (await AskAsync(client)).Status);
        Problem.Has(await AskAsync(client), 503, "breaker-open", "services.origin.breaker.probes");
        Assert.Equal(7, _asked);
    }

    [Fact]
    public async Task Server_that_does_not_answer_opens_while_its_calls_are_still_in_flight()
    {
        await using var origin = ScriptedOrigin.Start(async peer => await peer.ReadToEndAsync());
        await using var gateway = TestGateway.Before(
            origin, "timeout: 60s, breaker: { slow: { over: 1s, rate: 50% }, minimum: 10, failures: off, consecutive: off }", time: _time);
        var clients = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => gateway.ConnectAsync()));
        foreach (var client in clients)
            await client.SendAsync(Get);
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 10, "ten calls are in flight");
        _time.Advance(TimeSpan.FromSeconds(1.2));

        await using var next = await gateway.ConnectAsync();
        Problem.Has(await AskAsync(next), 503, "breaker-open", "services.origin.breaker.slow", 0.5, "share of slow calls");
        foreach (var client in clients)
            await client.DisposeAsync();
    }

    [Fact]
    public async Task Endpoint_with_an_open_breaker_is_passed_over_and_the_service_is_open_only_when_all_are()
    {
        await using var sick = Origin();
        await using var well = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("well"));
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{sick.Url}}", "{{well.Url}}" ], balance: round-robin, {{Five}} } }
            routes: [ { service: origin } ]
            """, _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 10; asked++)
            await AskAsync(client);
        Assert.Equal(5, _asked);
        for (var asked = 0; asked < 50; asked++)
            Assert.Equal(200, (await AskAsync(client)).Status);
        Assert.Equal(5, _asked);
    }

    [Theory]
    [InlineData(429, "")]
    [InlineData(503, "Retry-After: 1\r\n")]
    public async Task Service_that_asks_for_less_is_not_broken(int status, string field)
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("less", field, status));
        await using var gateway = TestGateway.Before(origin, Five + ", throttle: off", time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 30; asked++)
            Assert.Equal((status, "less"), Told(await AskAsync(client)));
    }

    [Fact]
    public async Task State_survives_a_reload_and_new_settings_hold_at_once()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, Five, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var failure = 0; failure < 5; failure++)
            await AskAsync(client);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url, Five + ", timeout: 7s"))));
        Problem.Has(await AskAsync(client), 503, "breaker-open");
        Assert.Equal(5, _asked);

        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url))));
        Assert.Equal(500, (await AskAsync(client)).Status);
    }

    private ScriptedOrigin Origin() => ScriptedOrigin.Answering(_ =>
    {
        Interlocked.Increment(ref _asked);
        return Volatile.Read(ref _isWell) ? ScriptedOrigin.Answer("well") : ScriptedOrigin.Answer("sick", status: 500);
    });

    private static (int Status, string Body) Told(WireAnswer answer) => (answer.Status, WireText.Text(answer.Body));

    private static BreakerState State(TestGateway gateway) =>
        gateway.Service().Endpoints[0].Breaker!.Snapshot(gateway.Host.Plane.Clock.Now).State;

    private static async Task<WireAnswer> AskAsync(Peer client)
    {
        await client.SendAsync(Get);
        return await client.ReadAnswerAsync();
    }
}
