using Malha.Proxy;
using Malha.Proxy.Health;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Timing;
using Malha.Proxy.Upstream;
using Malha.Resilience;
using Malha.Tests.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.HealthChecks;

/// <summary>What becomes of the results of checks and the outcomes of traffic, in virtual time.</summary>
public sealed class ServiceHealthTests : IDisposable
{
    private static readonly ProbeReport Bad = ProbeReport.Failed("GET /health: status 503, expected 2xx", []);

    private readonly FakeTimeProvider _time = new();
    private readonly Clock _clock;
    private readonly TimerWheel _wheel;
    private readonly EventLog _log;
    private ServiceModel _model = null!;
    private ServiceHealth _health = null!;

    public ServiceHealthTests()
    {
        _clock = new Clock(_time);
        _wheel = new TimerWheel(_time);
        _log = new EventLog(null, _time);
    }

    public void Dispose()
    {
        _health.Dispose();
        _wheel.Dispose();
    }

    [Fact]
    public void Few_healthy_ones_and_unhealthy_ones_that_work_are_a_panic_which_is_told()
    {
        Make(10);
        for (var index = 0; index < 10; index++)
            Check(index, index < 4 ? ProbeReport.Good : Bad);
        Assert.Equal((ServiceCourse.Healthy, 4), (_health.Snapshot.Course, _health.Snapshot.Usable));
        Assert.Equal("1111000000", Usable());

        // Real traffic that succeeds on unhealthy ones: to leave them out would only overload the others.
        _health.OnAttempt(_model.Endpoints[7], OutcomeKind.Success, _clock.Now);
        _health.OnAttempt(_model.Endpoints[8], OutcomeKind.Success, _clock.Now);
        _health.OnAttempt(_model.Endpoints[9], OutcomeKind.Failure, _clock.Now);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((ServiceCourse.Panic, 6), (_health.Snapshot.Course, _health.Snapshot.Usable));
        Assert.Equal("1111000110", Usable());
        Assert.Single(Events(), "panic-began");

        Check(4, ProbeReport.Good, times: 2);
        Assert.Equal(ServiceCourse.Healthy, _health.Snapshot.Course);
        Assert.Equal("1111100000", Usable());
        Assert.Single(Events(), "panic-ended");
    }

    [Fact]
    public void Recovered_endpoint_gets_its_weight_bit_by_bit()
    {
        Make(2);
        Check(0, Bad);
        Check(1, ProbeReport.Good);
        Assert.Equal(0, Share(0));
        Check(0, ProbeReport.Good);
        Assert.Equal(0, Share(0));
        Check(0, ProbeReport.Good);
        Assert.Equal(0.1f, Share(0));
        var last = Share(0);
        for (var second = 1; second <= 30; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.InRange(Share(0), Math.Max(last, (second / 30f) - 0.051f), Math.Max(0.1f, second / 30f) + 0.001f);
            last = Share(0);
        }
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(1, Share(0));
        Assert.Equal(1, Share(1));
    }

    [Fact]
    public void Endpoint_whose_traffic_fails_more_than_the_others_is_left_out_for_a_while()
    {
        Make(3, health: "ejection: true");
        for (var call = 0; call < 30; call++)
        {
            Attempt(0, OutcomeKind.Success);
            Attempt(1, OutcomeKind.Success);
            Attempt(2, call < 22 ? OutcomeKind.Failure : OutcomeKind.Success);
        }
        SpinWait.SpinUntil(() => Usable() == "110", TimeSpan.FromSeconds(30));
        Assert.Equal("110", Usable());
        Assert.Equal(1, _model.Endpoints[2].Health.Ejections);
        Assert.InRange(_health.EjectedFor(_model.Endpoints[2].Health), TimeSpan.FromSeconds(25), TimeSpan.FromSeconds(30));
        Assert.Single(Events(), "endpoint-ejected");

        _time.Advance(TimeSpan.FromSeconds(28));
        Assert.Equal("110", Usable());
        for (var second = 0; second < 4; second++)
            _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("111", Usable());
        Assert.Single(Events(), "endpoint-returned");
    }

    [Fact]
    public void Ejected_endpoint_is_better_than_none()
    {
        Make(2);
        for (var call = 0; call < 30; call++)
        {
            Attempt(0, OutcomeKind.Success);
            Attempt(1, call < 25 ? OutcomeKind.Failure : OutcomeKind.Success);
        }
        SpinWait.SpinUntil(() => Usable() == "10", TimeSpan.FromSeconds(30));
        Assert.Equal("10", Usable());
        Check(0, Bad);
        Assert.Equal("01", Usable());
    }

    [Fact]
    public void Ejection_can_be_turned_off()
    {
        Make(2, health: "ejection: false");
        for (var call = 0; call < 100; call++)
        {
            Attempt(0, OutcomeKind.Success);
            Attempt(1, OutcomeKind.Failure);
        }
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("11", Usable());
        Assert.Null(_model.Endpoints[1].Health.Outlier);
    }

    [Fact]
    public void Success_on_the_way_back_does_not_undo_what_a_failure_was_put_down_to()
    {
        Make(2);
        var down = ProbeReport.Failed("GET /health: status 503, expected 2xx", ["orders-db"]);
        Check(0, down);
        Check(1, down);
        Assert.Equal("11", Usable());
        Assert.Equal("orders-db", _health.Snapshot.Cause);
        Check(0, ProbeReport.Good);
        Assert.Equal("11", Usable());
        Check(0, ProbeReport.Good);
        Assert.Equal("10", Usable());
        Assert.DoesNotContain("service-unhealthy", Events());
    }

    [Fact]
    public void What_several_have_in_common_is_what_they_are_said_to_suffer_from()
    {
        Make(3);
        Check(0, ProbeReport.Failed("x", ["queue", "orders-db"]));
        Check(1, ProbeReport.Failed("x", ["orders-db"]));
        Check(2, ProbeReport.Failed("x", ["mail", "orders-db", "queue"]));
        Assert.Equal("orders-db", _health.Snapshot.Cause);
        Assert.Equal("111", Usable());
    }

    [Fact]
    public void Endpoint_that_cannot_be_reached_is_at_fault_itself()
    {
        Make(2);
        Check(0, ProbeReport.Failed("x", ["orders-db"]));
        Check(1, ProbeReport.Unreachable("GET /health: the connection was refused"));
        Assert.Equal("00", Usable());
        Assert.Equal(ServiceCourse.Unhealthy, _health.Snapshot.Course);
    }

    [Fact]
    public void Refusal_says_the_rule_the_cause_and_when_the_next_check_is()
    {
        Make(1);
        Check(0, Bad, next: TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromMilliseconds(1500));
        var refusal = _health.Refuse(_clock.Now);
        Assert.Equal((RefusalKind.Unhealthy, 503, "services.a.health", 3500), (refusal.Kind, refusal.Status, refusal.Rule, refusal.RetryAfterMs));
        Assert.Equal("GET /health: status 503, expected 2xx", refusal.Detail);
    }

    [Fact]
    public void Verdict_is_told_once_however_often_it_is_made()
    {
        Make(2);
        Check(0, Bad, times: 10);
        Check(1, Bad, times: 10);
        for (var second = 0; second < 20; second++)
            _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Single(Events(), "service-unhealthy");
        Assert.Equal(2, Events().Count(name => name == "endpoint-unhealthy"));
    }

    [Theory]
    [InlineData(100, 10, 50)]
    [InlineData(20, 5, 10)]
    [InlineData(4, 4, 4)]
    public void Concurrency_starts_slowly_too_when_all_that_can_be_used_do_and_never_below_a_few(int whole, int first, int half)
    {
        Make(2);
        _model.State.Update(_model.Config with { Concurrency = new ConcurrencyLimitOptions { Fixed = whole } }, [], _clock.Now);
        var admission = _model.State.Admission!.Controller;
        Assert.Equal(whole, admission.Limit);
        Check(0, Bad);
        Check(1, Bad);
        Check(0, ProbeReport.Good, times: 2);
        Assert.Equal(first, admission.Limit);
        for (var second = 0; second < 15; second++)
            _time.Advance(TimeSpan.FromSeconds(1));
        Assert.InRange(admission.Limit, half, half + (whole / 20));

        // The one that is furthest counts.
        Check(1, ProbeReport.Good, times: 2);
        Assert.InRange(admission.Limit, half, half + (whole / 20));
        for (var second = 0; second < 16; second++)
            _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(whole, admission.Limit);
    }

    /// <summary>Beside one that is ready the weights do it: less concurrency would take from those that are well.</summary>
    [Fact]
    public void Concurrency_is_whole_beside_an_endpoint_that_is_ready()
    {
        Make(2);
        _model.State.Update(_model.Config with { Concurrency = new ConcurrencyLimitOptions { Fixed = 100 } }, [], _clock.Now);
        Check(0, ProbeReport.Good);
        Check(1, Bad);
        Check(1, ProbeReport.Good, times: 2);
        Assert.Equal(.1f, Share(1));
        Assert.Equal(100, _model.State.Admission!.Controller.Limit);
    }

    [Fact]
    public void Outcome_of_an_attempt_is_taken_without_allocating()
    {
        Make(2);
        void Run()
        {
            for (var call = 0; call < 1000; call++)
            {
                Attempt(call & 1, call % 50 == 0 ? OutcomeKind.Failure : OutcomeKind.Success);
                _health.Refuse(_clock.Now);
            }
        }

        Run();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void Make(int endpoints, string health = "path: /health, rise: 2, fall: 3, slowStart: 30s")
    {
        var addresses = string.Join(", ", Enumerable.Range(1, endpoints).Select(port => $"127.0.0.1:{port}"));
        var config = Yaml.Good(Yaml.Edge + $"services: {{ a: {{ endpoints: [{addresses}], health: {{ {health} }} }} }}").Services["a"];
        _model = new ServiceModel(config, [.. config.Endpoints], [.. config.Endpoints.Select(endpoint => new EndpointState(endpoint, null, _wheel))], new ServiceState(new GatewayRuntime(_wheel, _clock, new Chance(5), new GatewayTelemetry(_time))), clients: []);
        _health = new ServiceHealth(config, _clock, _log, new Chance(7), _ => null);
        _health.Follow(_model);
    }

    private void Check(int index, ProbeReport report, int times = 1, TimeSpan next = default)
    {
        for (var time = 0; time < times; time++)
            _health.OnCheck(_model.Endpoints[index], new CheckRecord(_time.GetUtcNow(), TimeSpan.FromMilliseconds(1), report), _clock.Now + next);
    }

    private void Attempt(int index, OutcomeKind outcome) => _health.OnAttempt(_model.Endpoints[index], outcome, _clock.Now);

    private float Share(int index) => _model.Endpoints[index].Health.Share;

    private string Usable() => string.Concat(_model.Endpoints.Select(endpoint => endpoint.Health.IsUsable ? '1' : '0'));

    private string[] Events()
    {
        static void Ignore(OperationalEvent entry)
        {
            // Only what is kept is asked for.
        }

        var events = _log.Follow(Ignore);
        _log.Unfollow(Ignore);
        return [.. events.Select(entry => entry.Name)];
    }
}
