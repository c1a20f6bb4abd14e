using CsCheck;
using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class GcraTests
{
    private static readonly Gcra TenPerSecond = new(new RateLimitOptions { Limit = 10, Burst = 5 });

    [Fact]
    public void A_burst_passes_then_one_per_interval()
    {
        long word = 0;
        for (var left = 4; left >= 0; left--)
        {
            var decision = TenPerSecond.TryTake(ref word, At.Seconds(1));
            Assert.True(decision.Allowed);
            Assert.Equal(left, decision.Remaining);
        }

        var refused = TenPerSecond.TryTake(ref word, At.Seconds(1));
        Assert.False(refused.Allowed);
        Assert.Equal(0, refused.Remaining);
        Assert.Equal(At.Ms(100), refused.RetryAfter);
        Assert.Equal(At.Ms(500), refused.ResetAfter);
        Assert.False(TenPerSecond.TryTake(ref word, At.Seconds(1.0999999)).Allowed);
        Assert.True(TenPerSecond.TryTake(ref word, At.Seconds(1.1)).Allowed);
    }

    [Fact]
    public void Cost_takes_that_many_and_more_than_the_burst_never_fits()
    {
        long word = 0;
        Assert.Equal(2, TenPerSecond.TryTake(ref word, At.Seconds(1), 3).Remaining);
        Assert.Equal(At.Ms(100), TenPerSecond.TryTake(ref word, At.Seconds(1), 3).RetryAfter);
        Assert.Equal(Timeout.InfiniteTimeSpan, TenPerSecond.TryTake(ref word, At.Seconds(1), 6).RetryAfter);
        Assert.True(TenPerSecond.TryTake(ref word, At.Seconds(1), 2).Allowed);
    }

    [Fact]
    public void Waiting_as_told_is_never_refused_and_waiting_less_is()
    {
        var input = Gen.Select(Gen.Double[.01, 100_000], Gen.Int[1, 1_000], Gen.Int[1, 20], Gen.Int[1, 3_600]);
        input.Sample(
            (limit, burst, cost, period) =>
            {
                var gcra = new Gcra(new RateLimitOptions { Limit = limit, Burst = burst, Period = At.S(period) });
                long word = 0;
                var now = At.Seconds(1);
                RateLimitDecision decision;
                do
                    decision = gcra.TryTake(ref word, now, cost);
                while (decision.Allowed);
                if (cost > burst)
                    return decision.RetryAfter == Timeout.InfiniteTimeSpan;

                var copy = word;
                var early = now + (decision.RetryAfter - new TimeSpan(1));
                return !gcra.TryTake(ref copy, early, cost).Allowed && gcra.TryTake(ref word, now + decision.RetryAfter, cost).Allowed;
            },
            seed: "0N0XIzNsQ0O2",
            iter: 3_000);
    }

    [Fact]
    public void In_any_stretch_no_more_pass_than_burst_plus_rate()
    {
        var chance = new Chance(9);
        long word = 0;
        var passed = new List<double>();
        for (var t = 0.0; t < 60; t += chance.NextDouble() * .05)
        {
            if (TenPerSecond.TryTake(ref word, At.Seconds(1 + t)).Allowed)
                passed.Add(t);
        }

        for (var from = 0; from < passed.Count; from++)
        {
            for (var to = from; to < passed.Count; to++)
                Assert.True(to - from + 1 <= 5 + 10 * (passed[to] - passed[from]) + 1e-6);
        }

        Assert.InRange(passed.Count, 595, 605);
    }

    [Fact]
    public void Several_limits_give_all_or_nothing()
    {
        Gcra[] limits = [new(new RateLimitOptions { Limit = 10, Burst = 10 }), new(new RateLimitOptions { Limit = 60, Period = At.S(60), Burst = 2 })];
        var words = new long[2];
        Assert.Equal((true, 1, 1L), Outcome(Gcra.TryTakeAll(limits, words, At.Seconds(1))));
        Assert.Equal((true, 1, 0L), Outcome(Gcra.TryTakeAll(limits, words, At.Seconds(1))));
        var before = words[0];
        Assert.Equal((false, 1, 0L), Outcome(Gcra.TryTakeAll(limits, words, At.Seconds(1))));
        Assert.Equal(before, words[0]);

        static (bool, int, long) Outcome(RateLimitDecision decision) => (decision.Allowed, decision.Index, decision.Remaining);
    }

    [Fact]
    public void New_settings_apply_to_the_old_word()
    {
        long word = 0;
        TenPerSecond.TryTake(ref word, At.Seconds(1), 5);
        var wider = new Gcra(new RateLimitOptions { Limit = 10, Burst = 20 });
        Assert.Equal(15, wider.Peek(word, At.Seconds(1)).Remaining);
    }

    [Fact]
    public void A_faster_limit_does_not_wait_for_the_debt_of_a_slower_one()
    {
        long word = 0;
        new Gcra(new RateLimitOptions { Limit = 10, Period = TimeSpan.FromHours(1) }).TryTake(ref word, At.Seconds(1), 10);
        Assert.Equal(At.Ms(100), TenPerSecond.TryTake(ref word, At.Seconds(1)).RetryAfter);
        Assert.True(TenPerSecond.TryTake(ref word, At.Seconds(1.1)).Allowed);
    }

    [Fact]
    public async Task Many_threads_take_exactly_the_burst()
    {
        var gcra = new Gcra(new RateLimitOptions { Limit = 1, Burst = 1_000 });
        var word = new long[1];
        var taken = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 1_000; i++)
                {
                    if (gcra.TryTake(ref word[0], At.Seconds(1)).Allowed)
                        Interlocked.Increment(ref taken);
                }
            },
            TestContext.Current.CancellationToken)));
        Assert.Equal(1_000, taken);
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once()
    {
        Assert.Equal(3, new RateLimitOptions { Limit = -1, Period = TimeSpan.Zero, Burst = 0 }.Validate().Count);
        Assert.Single(new RateLimitOptions { Limit = 1e9 }.Validate());
        Assert.Single(new RateLimitOptions { Limit = 1, Period = TimeSpan.FromDays(1), Burst = 1e6 }.Validate());
        Assert.Empty(new RateLimitOptions { Limit = 60, Period = TimeSpan.FromMinutes(1) }.Validate());
    }
}
