using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class HedgingTests
{
    [Fact]
    public void Without_a_fixed_delay_it_waits_until_enough_is_measured_then_for_the_95th_percentile()
    {
        var hedging = new Hedging(new HedgingOptions());
        Assert.Null(hedging.Delay(At.Seconds(1)));
        for (var i = 1; i <= 1_000; i++)
            hedging.OnAnswer(At.Ms(i), At.Seconds(1));
        Assert.InRange(hedging.Delay(At.Seconds(1))!.Value.TotalMilliseconds, 950, 1_060);
        Assert.InRange(hedging.Delay(At.Seconds(45))!.Value.TotalMilliseconds, 950, 1_060);
        Assert.Null(hedging.Delay(At.Seconds(95)));
    }

    [Fact]
    public void Quantile_is_within_nine_percent_at_any_scale()
    {
        foreach (var scale in new[] { .01, 1, 50, 3_000, 100_000 })
        {
            var quantile = new LatencyQuantile();
            for (var i = 1; i <= 1_000; i++)
                quantile.Add(At.Ms(scale * i / 1_000), At.Seconds(1));
            Assert.InRange(quantile.Quantile(.95, At.Seconds(1))!.Value.TotalMilliseconds, .95 * scale * .99, .95 * scale * 1.13);
        }
    }

    [Fact]
    public void A_hedge_must_be_in_time_be_one_of_few_and_is_paid_last()
    {
        var hedging = new Hedging(new HedgingOptions { Delay = At.Ms(50) });
        var budget = new RetryBudget(new RetryBudgetOptions { FloorPerSecond = .1 });
        var deadline = Deadline.After(default, At.Ms(100));
        Assert.Equal(At.Ms(50), hedging.Delay(default));
        Assert.False(hedging.TryHedge(2, deadline, At.Ms(10), budget, default));
        Assert.False(hedging.TryHedge(1, deadline, At.Ms(100), budget, default));
        Assert.Equal(1, budget.Balance(default));
        Assert.True(hedging.TryHedge(1, deadline, At.Ms(10), budget, default));
        Assert.False(hedging.TryHedge(1, deadline, At.Ms(10), budget, default));
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once() =>
        Assert.Equal(3, new HedgingOptions { Delay = TimeSpan.Zero, Hedges = 0, DelayAtLeast = TimeSpan.Zero }.Validate().Count);
}
