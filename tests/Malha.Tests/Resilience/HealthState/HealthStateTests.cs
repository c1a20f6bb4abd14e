using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class HealthStateTests
{
    private static HealthState Make(HealthOptions? options = null) => new(options ?? new HealthOptions(), new Chance(1));

    [Fact]
    public void The_first_result_decides_then_three_failures_fall_and_two_successes_rise()
    {
        var state = Make();
        Assert.Equal(Health.Unknown, state.Health);
        Assert.True(state.OnProbe(new ProbeResult(true), At.Seconds(0)));
        Assert.False(state.OnProbe(new ProbeResult(false), At.Seconds(5)));
        Assert.False(state.OnProbe(new ProbeResult(false), At.Seconds(10)));
        Assert.False(state.OnProbe(new ProbeResult(true), At.Seconds(15)));
        Assert.False(state.OnProbe(new ProbeResult(false), At.Seconds(20)));
        Assert.False(state.OnProbe(new ProbeResult(false), At.Seconds(25)));
        Assert.True(state.OnProbe(new ProbeResult(false, "orders-db"), At.Seconds(30)));
        Assert.Equal((Health.Unhealthy, "orders-db"), (state.Health, state.Dependency));
        Assert.False(state.OnProbe(new ProbeResult(true), At.Seconds(35)));
        Assert.True(state.OnProbe(new ProbeResult(true), At.Seconds(40)));
        Assert.Equal((Health.Healthy, null), (state.Health, state.Dependency));
    }

    [Fact]
    public void A_dead_endpoint_is_unhealthy_after_one_check()
    {
        var state = Make();
        Assert.True(state.OnProbe(new ProbeResult(false), At.Seconds(0)));
        Assert.Equal(Health.Unhealthy, state.Health);
    }

    [Fact]
    public void Recovery_starts_slowly_and_a_first_start_does_not()
    {
        var state = Make();
        state.OnProbe(new ProbeResult(true), At.Seconds(0));
        Assert.Equal(1, state.Weight(At.Seconds(0)));
        for (var i = 0; i < 3; i++)
            state.OnProbe(new ProbeResult(false), At.Seconds(5));
        state.OnProbe(new ProbeResult(true), At.Seconds(10));
        state.OnProbe(new ProbeResult(true), At.Seconds(10));
        Assert.Equal(.1, state.Weight(At.Seconds(11)));
        Assert.Equal(.5, state.Weight(At.Seconds(25)), 9);
        Assert.Equal(1, state.Weight(At.Seconds(40)));
    }

    [Fact]
    public void Traffic_succeeds_when_more_than_half_of_it_does_and_silence_says_nothing()
    {
        var state = Make();
        Assert.False(state.TrafficSucceeds(At.Seconds(1)));
        state.OnTraffic(OutcomeKind.Abandoned, At.Seconds(1));
        Assert.False(state.TrafficSucceeds(At.Seconds(1)));
        state.OnTraffic(OutcomeKind.Success, At.Seconds(1));
        Assert.True(state.TrafficSucceeds(At.Seconds(1)));
        state.OnTraffic(OutcomeKind.Failure, At.Seconds(1));
        Assert.False(state.TrafficSucceeds(At.Seconds(1)));
        Assert.False(state.TrafficSucceeds(At.Seconds(20)));
    }

    [Fact]
    public void Checks_are_jittered_by_a_tenth()
    {
        var state = Make();
        var next = Enumerable.Range(0, 1_000).Select(_ => state.NextProbe().TotalSeconds).ToList();
        Assert.InRange(next.Min(), 4.5, 4.6);
        Assert.InRange(next.Max(), 5.4, 5.5);
    }

    [Fact]
    public void Reload_keeps_health_and_streak()
    {
        var state = Make();
        state.OnProbe(new ProbeResult(true), At.Seconds(0));
        state.OnProbe(new ProbeResult(false), At.Seconds(1));
        state.Update(new HealthOptions { Fall = 2 });
        Assert.True(state.OnProbe(new ProbeResult(false), At.Seconds(2)));
        Assert.Equal(4, new HealthOptions { Rise = 0, Fall = 0, Every = default, SlowStart = At.S(-1) }.Validate().Count);
    }
}
