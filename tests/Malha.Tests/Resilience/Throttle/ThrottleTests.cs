using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class ThrottleTests
{
    [Theory]
    [InlineData(2, 1000, 500, 0)]
    [InlineData(2, 1000, 200, .5994)]
    [InlineData(2, 1000, 0, .9990)]
    [InlineData(2, 10, 0, .9091)]
    [InlineData(1.1, 1000, 500, .4496)]
    [InlineData(1.1, 1000, 200, .7792)]
    public void Formula_gives_the_published_figures(double multiplier, long requests, long accepts, double expected) =>
        Assert.Equal(expected, Throttle.RefusalProbability(requests, accepts, multiplier), 4);

    [Fact]
    public void A_burst_after_idleness_passes_whole_though_no_answer_is_in()
    {
        var throttle = new Throttle(new ThrottleOptions(), new Chance(1));
        for (var i = 0; i < 1_000; i++)
            Assert.True(throttle.TryPass(At.Seconds(1)));
    }

    [Fact]
    public void A_service_that_takes_a_fifth_is_asked_for_about_two_fifths()
    {
        var throttle = new Throttle(new ThrottleOptions(), new Chance(5));
        var sent = 0;
        var accepted = 0;
        for (var second = 0; second < 300; second++)
        {
            // 100 calls a second; the service takes the first 20 and refuses the rest.
            var room = 20;
            for (var i = 0; i < 100; i++)
            {
                var now = At.Seconds(second + i / 100.0);
                if (!throttle.TryPass(now))
                    continue;
                throttle.Report(room-- > 0 ? OutcomeKind.Success : OutcomeKind.BackPressure, now);
                if (second >= 150)
                {
                    sent++;
                    accepted += room >= 0 ? 1 : 0;
                }
            }
        }

        Assert.InRange(sent / 150.0, 36, 44);
        Assert.InRange(accepted / 150.0, 19, 20);
    }

    /// <summary>Ten were accepted before the first one that was not: ten more that are not are half of all, and the eleventh begins to count.</summary>
    [Fact]
    public void A_throttle_that_begins_with_a_refusal_waits_for_ten_more()
    {
        var throttle = new Throttle(new ThrottleOptions(), new Chance(1), accepted: 10, At.Seconds(1));
        for (var i = 0; i < 9; i++)
        {
            Assert.True(throttle.TryPass(At.Seconds(1)));
            throttle.Report(OutcomeKind.BackPressure, At.Seconds(1));
        }

        Assert.Equal((20, 10), throttle.Counts(At.Seconds(1)));
        Assert.Equal(0, throttle.Probability(At.Seconds(1)));
        Assert.True(throttle.TryPass(At.Seconds(1)));
        throttle.Report(OutcomeKind.BackPressure, At.Seconds(1));
        Assert.Equal(1 / 22.0, throttle.Probability(At.Seconds(1)), 9);
    }

    [Fact]
    public void Failures_and_abandoned_calls_are_no_refusals()
    {
        var throttle = new Throttle(new ThrottleOptions(), new Chance(1));
        foreach (var outcome in new[] { OutcomeKind.Failure, OutcomeKind.Timeout, OutcomeKind.Abandoned, OutcomeKind.ConnectionFailure })
        {
            for (var i = 0; i < 100; i++)
            {
                Assert.True(throttle.TryPass(At.Seconds(1)));
                throttle.Report(outcome, At.Seconds(1));
            }
        }
    }

    [Fact]
    public void Two_minutes_later_all_is_forgotten()
    {
        var throttle = new Throttle(new ThrottleOptions(), new Chance(1));
        for (var i = 0; i < 100; i++)
        {
            if (throttle.TryPass(At.Seconds(1)))
                throttle.Report(OutcomeKind.BackPressure, At.Seconds(1));
        }

        Assert.InRange(throttle.Probability(At.Seconds(1)), .98, 1);
        Assert.Equal(0, throttle.Probability(At.Seconds(126)));
    }

    [Fact]
    public void Reload_keeps_the_counts()
    {
        var throttle = new Throttle(new ThrottleOptions(), new Chance(1));
        for (var i = 0; i < 10; i++)
        {
            if (throttle.TryPass(At.Seconds(1)))
                throttle.Report(OutcomeKind.BackPressure, At.Seconds(1));
        }

        throttle.Update(new ThrottleOptions { Multiplier = 1.1 }, At.Seconds(1));
        Assert.Equal(10 / 11.0, throttle.Probability(At.Seconds(1)), 9);
        throttle.Update(new ThrottleOptions { Window = At.S(60) }, At.Seconds(1));
        Assert.Equal(0, throttle.Probability(At.Seconds(1)));
        Assert.Equal(2, new ThrottleOptions { Multiplier = 0, Window = TimeSpan.Zero }.Validate().Count);
    }
}
