using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class CircuitBreakerTests
{
    private readonly List<BreakerTransition> _moves = [];

    private CircuitBreaker Make(BreakerOptions? options = null, ulong seed = 1) => new(options ?? new BreakerOptions(), new Chance(seed), _moves.Add);

    private static bool Call(CircuitBreaker breaker, OutcomeKind outcome, double start, double? end = null)
    {
        var decision = breaker.TryAcquire(At.Seconds(start));
        if (decision.Allowed)
            breaker.Report(decision.Permit, outcome, At.Seconds(end ?? start));
        return decision.Allowed;
    }

    /// <summary>Opens at the given second and answers the second at which it is half-open.</summary>
    private double Open(CircuitBreaker breaker, double at)
    {
        for (var i = 0; i < 5; i++)
            Assert.True(Call(breaker, OutcomeKind.Failure, at));
        Assert.Equal(BreakerState.Open, breaker.Snapshot(At.Seconds(at)).State);
        return at + _moves[^1].OpenFor.TotalSeconds;
    }

    [Fact]
    public void Five_failures_in_a_row_open_and_the_refusal_explains_itself()
    {
        var breaker = Make();
        Open(breaker, 100);
        var refused = breaker.TryAcquire(At.Seconds(101));
        Assert.False(refused.Allowed);
        Assert.Equal((BreakerRule.Consecutive, 5d, 5d), (refused.Rule, refused.Observed, refused.Limit));
        Assert.InRange(refused.RetryAfter.TotalSeconds, 1.5, 4);
    }

    [Fact]
    public void Half_of_the_calls_failing_open_from_the_minimum_on()
    {
        var breaker = Make(new BreakerOptions { Consecutive = null });
        for (var i = 0; i < 19; i++)
            Assert.True(Call(breaker, i % 2 == 0 ? OutcomeKind.Failure : OutcomeKind.Success, 100 + i * .1));
        Assert.Equal(BreakerState.Closed, breaker.Snapshot(At.Seconds(102)).State);
        Call(breaker, OutcomeKind.Failure, 102);
        Assert.Equal(BreakerState.Open, breaker.Snapshot(At.Seconds(102)).State);
        Assert.Equal(BreakerRule.FailureRatio, _moves[0].Rule);
    }

    [Fact]
    public void Old_failures_leave_the_window()
    {
        var breaker = Make(new BreakerOptions { Consecutive = null });
        for (var i = 0; i < 19; i++)
            Call(breaker, OutcomeKind.Failure, 100);
        Call(breaker, OutcomeKind.Failure, 110.1);
        Assert.Equal(BreakerState.Closed, breaker.Snapshot(At.Seconds(110.1)).State);
    }

    [Fact]
    public void Calls_still_in_flight_past_the_threshold_open_before_any_has_ended()
    {
        var breaker = Make(new BreakerOptions { SlowOver = At.S(1) });
        for (var i = 0; i < 20; i++)
            Assert.True(breaker.TryAcquire(At.Seconds(100 + i * .01)).Allowed);
        Assert.True(breaker.TryAcquire(At.Seconds(101)).Allowed);
        var refused = breaker.TryAcquire(At.Seconds(101.4));
        Assert.Equal(BreakerRule.SlowRatio, refused.Rule);
        Assert.False(refused.Allowed);
    }

    [Fact]
    public void Slow_successes_open_and_quick_ones_weigh_against_them()
    {
        var breaker = Make(new BreakerOptions { SlowOver = At.S(1) });
        for (var i = 0; i < 21; i++)
            Call(breaker, OutcomeKind.Success, 100 + i * .001);
        for (var i = 0; i < 20; i++)
            Assert.True(Call(breaker, OutcomeKind.Success, 100.1, 101.2));
        Assert.Empty(_moves);
        Call(breaker, OutcomeKind.Success, 101.2, 102.3);
        Assert.Equal(BreakerRule.SlowRatio, Assert.Single(_moves).Rule);
    }

    [Fact]
    public void Back_pressure_and_cancelled_calls_never_open()
    {
        var breaker = Make();
        for (var i = 0; i < 200; i++)
        {
            Assert.True(Call(breaker, OutcomeKind.BackPressure, 100 + i * .01));
            Assert.True(Call(breaker, OutcomeKind.Abandoned, 100 + i * .01));
        }
    }

    [Fact]
    public void Half_open_lets_five_through_and_three_successes_close()
    {
        var breaker = Make(new BreakerOptions { Ramp = TimeSpan.Zero });
        var halfOpen = Open(breaker, 100);
        var now = At.Seconds(halfOpen + .001);
        var probes = Enumerable.Range(0, 5).Select(_ => breaker.TryAcquire(now)).ToList();
        Assert.All(probes, probe => Assert.True(probe.Allowed && probe.Permit.IsProbe));
        Assert.Equal(BreakerRule.ProbesUnderWay, breaker.TryAcquire(now).Rule);

        breaker.Report(probes[0].Permit, OutcomeKind.Failure, now);
        breaker.Report(probes[1].Permit, OutcomeKind.Failure, now);
        breaker.Report(probes[2].Permit, OutcomeKind.Success, now);
        breaker.Report(probes[3].Permit, OutcomeKind.Success, now);
        Assert.Equal(BreakerState.HalfOpen, breaker.Snapshot(now).State);
        breaker.Report(probes[4].Permit, OutcomeKind.Success, now);
        Assert.Equal(BreakerState.Closed, breaker.Snapshot(now).State);
    }

    [Fact]
    public void Three_failed_probes_open_again_for_twice_as_long()
    {
        var breaker = Make();
        var halfOpen = Open(breaker, 100);
        for (var i = 0; i < 3; i++)
            Call(breaker, OutcomeKind.Failure, halfOpen + .001);
        Assert.Equal(BreakerState.Open, _moves[^1].To);
        Assert.InRange(_moves[^1].OpenFor.TotalSeconds, 5, 10);
        Assert.Equal(BreakerRule.Probes, _moves[^1].Rule);
    }

    [Fact]
    public void A_hung_probe_gives_its_lease_to_the_next_call_and_its_late_answer_counts_nothing()
    {
        var breaker = Make(new BreakerOptions { Probes = 1 });
        var halfOpen = Open(breaker, 100) + .001;
        var hung = breaker.TryAcquire(At.Seconds(halfOpen));
        Assert.False(breaker.TryAcquire(At.Seconds(halfOpen + 4.9)).Allowed);
        var second = breaker.TryAcquire(At.Seconds(halfOpen + 5));
        Assert.True(second.Allowed);
        breaker.Report(hung.Permit, OutcomeKind.Failure, At.Seconds(halfOpen + 5.1));
        Assert.Equal(BreakerState.HalfOpen, breaker.Snapshot(At.Seconds(halfOpen + 5.1)).State);
        breaker.Report(second.Permit, OutcomeKind.Success, At.Seconds(halfOpen + 5.2));
        Assert.Equal(BreakerState.Ramping, breaker.Snapshot(At.Seconds(halfOpen + 5.2)).State);
    }

    [Fact]
    public void Probes_that_all_hang_open_again()
    {
        var breaker = Make(new BreakerOptions { Probes = 2, ProbeSuccesses = 2 });
        var at = Open(breaker, 100) + .001;
        for (var i = 0; i < 2; i++, at += 5)
        {
            Assert.True(breaker.TryAcquire(At.Seconds(at)).Allowed);
            Assert.True(breaker.TryAcquire(At.Seconds(at)).Allowed);
        }

        Assert.False(breaker.TryAcquire(At.Seconds(at)).Allowed);
        Assert.Equal(BreakerState.Open, breaker.Snapshot(At.Seconds(at)).State);
    }

    [Theory]
    [InlineData(OutcomeKind.Abandoned)]
    [InlineData(OutcomeKind.BackPressure)]
    public void A_silent_probe_changes_nothing_but_its_permit_is_free_again(OutcomeKind outcome)
    {
        var breaker = Make(new BreakerOptions { Probes = 1 });
        var at = Open(breaker, 100) + .001;
        var before = breaker.Snapshot(At.Seconds(at));
        for (var i = 0; i < 100; i++)
            Assert.True(Call(breaker, outcome, at));
        Assert.Equal(before with { State = BreakerState.HalfOpen, Generation = before.Generation + 1 }, breaker.Snapshot(At.Seconds(at)));
    }

    [Fact]
    public void Results_of_an_earlier_state_are_ignored()
    {
        var breaker = Make(new BreakerOptions { Ramp = TimeSpan.Zero, Probes = 1 });
        var early = Enumerable.Range(0, 10).Select(_ => breaker.TryAcquire(At.Seconds(99)).Permit).ToList();
        var at = Open(breaker, 100) + .001;
        Assert.True(Call(breaker, OutcomeKind.Success, at));
        foreach (var permit in early)
            breaker.Report(permit, OutcomeKind.Failure, At.Seconds(at));
        Assert.Equal(BreakerState.Closed, breaker.Snapshot(At.Seconds(at)).State);
        Assert.Equal(0, breaker.Snapshot(At.Seconds(at)).Failures);
    }

    [Fact]
    public void The_ramp_goes_from_a_tenth_to_all_in_its_time()
    {
        var breaker = Make(new BreakerOptions { Probes = 1, Ramp = At.S(9) });
        var at = Open(breaker, 100) + .001;
        Call(breaker, OutcomeKind.Success, at);
        var onItsWay = breaker.TryAcquire(At.Seconds(at));
        Assert.True(onItsWay.Allowed);
        var passed = new int[9];
        for (var i = 0; i < 9_000; i++)
            passed[i / 1000] += Call(breaker, OutcomeKind.Success, at + .0005 + i * .001) ? 1 : 0;
        for (var second = 0; second < 9; second++)
            Assert.InRange(passed[second], (second + 1) * 100 - 60, (second + 1) * 100 + 60);
        Assert.True(Call(breaker, OutcomeKind.Success, at + 9.1));
        Assert.Equal(BreakerState.Closed, breaker.Snapshot(At.Seconds(at + 9.1)).State);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void As_many_calls_at_a_time_as_there_were_probes_pass_however_low_the_ramp(int probes)
    {
        var breaker = Make(new BreakerOptions { Probes = probes, Ramp = At.S(9) });
        var at = Open(breaker, 100) + .001;
        for (var i = 0; i < probes; i++)
            Call(breaker, OutcomeKind.Success, at);
        Assert.Equal(BreakerState.Ramping, breaker.Snapshot(At.Seconds(at)).State);
        for (var i = 0; i < 900; i++)
        {
            var now = At.Seconds(at + i * .001);
            var permits = Enumerable.Range(0, probes).Select(_ => breaker.TryAcquire(now)).ToList();
            Assert.All(permits, permit => Assert.True(permit.Allowed));
            permits.ForEach(permit => breaker.Report(permit.Permit, OutcomeKind.Success, now));
        }

        Assert.Equal(.1, breaker.Share(At.Seconds(at + .9)));
    }

    [Fact]
    public void The_ramp_waits_for_a_service_that_fails_some_and_goes_on_when_it_does_not()
    {
        var breaker = Make(new BreakerOptions { Probes = 1, Ramp = At.S(9), Consecutive = null });
        var at = Open3(breaker);
        for (var i = 0; i < 30_000; i++)
            Call(breaker, i % 3 == 0 ? OutcomeKind.Failure : OutcomeKind.Success, at + i * .001);
        Assert.Equal(BreakerState.Ramping, breaker.Snapshot(At.Seconds(at + 30)).State);
        Assert.Equal(.1, breaker.Share(At.Seconds(at + 30)));
        for (var i = 0; i < 11_000; i++)
            Call(breaker, OutcomeKind.Success, at + 30 + i * .001);
        Assert.Equal(BreakerState.Closed, breaker.Snapshot(At.Seconds(at + 41)).State);

        double Open3(CircuitBreaker target)
        {
            for (var i = 0; i < 20; i++)
                Call(target, OutcomeKind.Failure, 100);
            var halfOpen = 100 + _moves[^1].OpenFor.TotalSeconds + .001;
            Call(target, OutcomeKind.Success, halfOpen);
            return halfOpen;
        }
    }

    [Fact]
    public void Open_time_is_jittered_doubles_to_its_cap_and_is_forgiven()
    {
        var breaker = Make(new BreakerOptions { Probes = 1, Ramp = TimeSpan.Zero, OpenMax = At.S(40) });
        var at = Open(breaker, 100);
        foreach (var d in new[] { 10, 20, 40, 40 })
        {
            Call(breaker, OutcomeKind.Failure, at + .001);
            Assert.InRange(_moves[^1].OpenFor.TotalSeconds, d / 2.0, d);
            at += .001 + _moves[^1].OpenFor.TotalSeconds;
        }

        Call(breaker, OutcomeKind.Success, at + .001);
        Open(breaker, at + 40 * 3 + 1);
        Assert.InRange(_moves[^1].OpenFor.TotalSeconds, 10, 20);

        var draws = Enumerable.Range(0, 200).Select(seed =>
        {
            _moves.Clear();
            Open(Make(seed: (ulong)seed), 100);
            return _moves[^1].OpenFor.TotalSeconds;
        }).ToList();
        Assert.InRange(draws.Average(), 3.6, 3.9);
        Assert.InRange(draws.Min(), 2.5, 2.6);
    }

    [Fact]
    public void Manual_modes_hold_for_their_time_and_ten_minutes_unless_given()
    {
        var breaker = Make();
        breaker.SetMode(BreakerMode.ForcedOpen, At.Seconds(100), At.S(60));
        var refused = breaker.TryAcquire(At.Seconds(110));
        Assert.Equal((false, BreakerRule.Manual, At.S(50)), (refused.Allowed, refused.Rule, refused.RetryAfter));
        Assert.True(breaker.TryAcquire(At.Seconds(160)).Allowed);

        breaker.SetMode(BreakerMode.ForcedClosed, At.Seconds(200));
        for (var i = 0; i < 100; i++)
            Assert.True(Call(breaker, OutcomeKind.Failure, 201));
        Assert.Equal(BreakerMode.ForcedClosed, breaker.Snapshot(At.Seconds(799)).Mode);
        Assert.Equal(BreakerMode.Auto, breaker.Snapshot(At.Seconds(800)).Mode);
        Assert.Empty(_moves);

        breaker.SetMode(BreakerMode.Disabled, At.Seconds(1000));
        for (var i = 0; i < 100; i++)
            Assert.True(Call(breaker, OutcomeKind.Failure, 1001));
        Assert.Equal(0, breaker.Snapshot(At.Seconds(1001)).Calls);
    }

    [Fact]
    public void An_operator_who_moves_the_state_is_told_as_a_transition()
    {
        var breaker = Make();
        Open(breaker, 100);
        breaker.SetMode(BreakerMode.ForcedClosed, At.Seconds(101));
        Assert.Equal((BreakerState.Open, BreakerState.Closed, BreakerRule.Manual), (_moves[^1].From, _moves[^1].To, _moves[^1].Rule));
        breaker.SetMode(BreakerMode.Auto, At.Seconds(102));
        Assert.Equal(2, _moves.Count);
    }

    [Fact]
    public void Shadow_says_what_it_would_do_and_does_not()
    {
        var breaker = Make();
        breaker.SetMode(BreakerMode.Shadow, At.Seconds(100));
        for (var i = 0; i < 5; i++)
            Assert.False(breaker.TryAcquire(At.Seconds(100)) is var d && Report(d).WouldRefuse);
        var decision = breaker.TryAcquire(At.Seconds(100));
        Assert.True(decision.Allowed && decision.WouldRefuse);
        Assert.Equal(BreakerState.Open, Assert.Single(_moves).To);

        BreakerDecision Report(BreakerDecision d)
        {
            breaker.Report(d.Permit, OutcomeKind.Failure, At.Seconds(100));
            return d;
        }
    }

    [Fact]
    public void One_of_ten_shards_failing_behind_one_endpoint_does_not_open()
    {
        for (var seed = 0UL; seed < 20; seed++)
        {
            var breaker = Make(seed: seed);
            var chance = new Chance(seed);
            for (var i = 0; i < 24_000; i++)
                Call(breaker, chance.Next(10) == 0 ? OutcomeKind.Failure : OutcomeKind.Success, 100 + i * .005);
        }

        Assert.Empty(_moves);
    }

    [Fact]
    public void Reload_keeps_state_and_window_and_applies_the_new_limits()
    {
        var breaker = Make(new BreakerOptions { Consecutive = null });
        for (var i = 0; i < 15; i++)
            Call(breaker, OutcomeKind.Failure, 100);
        breaker.Update(new BreakerOptions { Consecutive = null, Minimum = 16 }, At.Seconds(100));
        Assert.Equal(15, breaker.Snapshot(At.Seconds(100)).Failures);
        Call(breaker, OutcomeKind.Failure, 100);
        breaker.Update(new BreakerOptions { Minimum = 50, Window = At.S(20) }, At.Seconds(101));
        Assert.Equal(BreakerState.Open, breaker.Snapshot(At.Seconds(101)).State);
    }

    [Fact]
    public void Refusing_and_passing_allocate_nothing()
    {
        var breaker = new CircuitBreaker(new BreakerOptions { SlowOver = At.S(1) }, new Chance(1));
        Call(breaker, OutcomeKind.Success, 100);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
            Call(breaker, i < 900 ? OutcomeKind.Success : OutcomeKind.Failure, 100 + i * .001);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once() =>
        Assert.Equal(
            12,
            new BreakerOptions
            {
                FailureRatio = 2,
                Consecutive = 0,
                SlowOver = TimeSpan.Zero,
                SlowRatio = 0,
                Window = TimeSpan.Zero,
                Minimum = 0,
                Open = TimeSpan.Zero,
                OpenMax = At.S(-1),
                Probes = 0,
                ProbeSuccesses = 3,
                ProbeLease = TimeSpan.Zero,
                Ramp = At.S(-1),
            }.Validate().Count);
}
