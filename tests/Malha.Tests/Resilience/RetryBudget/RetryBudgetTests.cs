using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class RetryBudgetTests
{
    [Fact]
    public void A_quiet_caller_has_ten_seconds_of_the_floor()
    {
        var budget = new RetryBudget(new RetryBudgetOptions());
        for (var i = 0; i < 10; i++)
            Assert.True(budget.TryTake(At.Seconds(100)));
        Assert.False(budget.TryTake(At.Seconds(100)));
        Assert.False(budget.TryTake(At.Seconds(108)));
        Assert.True(budget.TryTake(At.Seconds(110)));
    }

    [Fact]
    public void Ten_successes_earn_one_and_it_is_gone_after_the_window()
    {
        var budget = new RetryBudget(new RetryBudgetOptions { FloorPerSecond = 0 });
        for (var i = 0; i < 9; i++)
            budget.OnFirstAttemptSuccess(At.Seconds(1));
        Assert.False(budget.TryTake(At.Seconds(1)));
        budget.OnFirstAttemptSuccess(At.Seconds(1));
        Assert.Equal(1, budget.Balance(At.Seconds(1)));
        Assert.Equal(0, budget.Balance(At.Seconds(11)));
    }

    /// <summary>Blind: (1−x⁴)/(1−x) attempts per request at failure rate x with 3 retries. With the budget: at most 1.1, and the floor.</summary>
    [Theory]
    [InlineData(.1, 1.111)]
    [InlineData(.5, 1.875)]
    [InlineData(.9, 3.439)]
    [InlineData(1, 4)]
    public void Amplification_stays_below_eleven_tenths_whatever_fails(double failing, double blind)
    {
        const int perSecond = 1_000;
        const int seconds = 60;
        var chance = new Chance(11);
        var budget = new RetryBudget(new RetryBudgetOptions());
        long attempts = 0;
        long blindAttempts = 0;
        for (var i = 0; i < perSecond * seconds; i++)
        {
            var now = At.Seconds(i / (double)perSecond);
            for (var n = 0; n < 4; n++)
            {
                blindAttempts++;
                if (chance.NextDouble() >= failing)
                    break;
            }

            attempts++;
            if (chance.NextDouble() >= failing)
            {
                budget.OnFirstAttemptSuccess(now);
                continue;
            }

            for (var n = 0; n < 3 && budget.TryTake(now); n++)
            {
                attempts++;
                if (chance.NextDouble() >= failing)
                    break;
            }
        }

        const double requests = perSecond * seconds;
        Assert.InRange(blindAttempts / requests, blind * .98, blind * 1.02);
        Assert.True(attempts / requests <= 1 + .1 * (1 - failing) + 1.0 / perSecond + 10 / requests + .01, $"{attempts / requests}");
        Assert.True(attempts / requests <= 1.11 + .002);
    }

    [Fact]
    public void Reload_keeps_what_was_earned_unless_the_window_changes()
    {
        var budget = new RetryBudget(new RetryBudgetOptions { FloorPerSecond = 0 });
        for (var i = 0; i < 20; i++)
            budget.OnFirstAttemptSuccess(At.Seconds(1));
        budget.Update(new RetryBudgetOptions { FloorPerSecond = 1, Ratio = .2 }, At.Seconds(1));
        Assert.Equal(12, budget.Balance(At.Seconds(1)));
        budget.Update(new RetryBudgetOptions { FloorPerSecond = 1, Window = At.S(20) }, At.Seconds(1));
        Assert.Equal(20, budget.Balance(At.Seconds(1)));
    }

    [Fact]
    public async Task Many_threads_never_take_more_than_there_is()
    {
        var budget = new RetryBudget(new RetryBudgetOptions());
        var taken = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 1_000; i++)
                {
                    if (budget.TryTake(At.Seconds(1)))
                        Interlocked.Increment(ref taken);
                }
            },
            TestContext.Current.CancellationToken)));
        Assert.Equal(10, taken);
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once() =>
        Assert.Equal(3, new RetryBudgetOptions { Ratio = 2, FloorPerSecond = -1, Window = TimeSpan.Zero }.Validate().Count);
}
