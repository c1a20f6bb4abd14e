using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class SharesTests
{
    /// <summary>Kubernetes' default levels: leader-election, node-high, system, workload-high, workload-low, global-default, catch-all.</summary>
    private static readonly (double Shares, double Lend)[] Levels = [(10, 0), (40, .25), (30, .33), (40, .5), (100, .9), (20, .5), (5, 0)];

    [Fact]
    public void Seats_at_600_are_those_of_kubernetes()
    {
        var sum = Levels.Sum(level => level.Shares);
        var nominal = Levels.Select(level => Shares.Nominal(600, level.Shares, sum)).ToArray();
        Assert.Equal([25, 98, 74, 98, 245, 49, 13], nominal);
        var minimum = Levels.Select((level, i) => Shares.Minimum(nominal[i], level.Lend)).ToArray();
        Assert.Equal([25, 73, 50, 49, 24, 24, 13], minimum);
    }

    [Fact]
    public void Doormans_fair_and_proportional_shares()
    {
        var gets = new double[3];
        Shares.Fair(120, [1000, 50, 10], gets);
        Assert.Equal([60, 50, 10], gets);
        Shares.Proportional(120, [1000, 50, 10], gets);
        Assert.Equal(69.69072165, gets[0], 8);
        Assert.Equal(40.309278351, gets[1], 8);
        Assert.Equal(10, gets[2], 8);
    }

    [Fact]
    public void Fair_shares_never_exceed_capacity_or_wish_and_waste_nothing()
    {
        var chance = new Chance(3);
        for (var run = 0; run < 5_000; run++)
        {
            var wants = Enumerable.Range(0, 1 + chance.Next(8)).Select(_ => chance.NextDouble() * 100).ToArray();
            var capacity = chance.NextDouble() * 300;
            var gets = new double[wants.Length];
            Shares.Fair(capacity, wants, gets);
            Assert.Equal(Math.Min(capacity, wants.Sum()), gets.Sum(), 6);
            Assert.All(wants.Zip(gets), pair => Assert.True(pair.Second <= pair.First + 1e-9));
        }
    }

    [Fact]
    public void Demand_follows_growth_at_once_and_fades_slowly()
    {
        var meter = default(DemandMeter);
        meter.Set(10, At.Seconds(0));
        meter.Set(10, At.Seconds(10));
        Assert.Equal(10, meter.Smooth, 6);
        meter.Set(0, At.Seconds(10));
        meter.Set(0, At.Seconds(20));
        Assert.Equal(9.77, meter.Smooth, 6);
    }
}
