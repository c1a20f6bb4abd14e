using Malha.Lab.Scenarios;

namespace Malha.Tests.Lab;

public sealed class ScenarioTests
{
    private const int Seeds = 20;

    private static readonly Dictionary<string, Scenario> Scenarios = new Scenario[]
    {
        new StallScenario(), new SlowScenario(), new LoadSweepScenario(), new SpikeScenario(), new CollapseScenario(), new CacheScenario(), new LayersScenario(),
        new ProbesScenario(), new ColdStartScenario(), new ShardScenario(), new ProbeLossScenario(cancelled: false), new ProbeLossScenario(cancelled: true),
    }.ToDictionary(scenario => scenario.Name);

    [Theory]
    [InlineData("S1", 8)]
    [InlineData("S3", 3)]
    [InlineData("S4", Seeds)]
    [InlineData("S5", 8)]
    [InlineData("S6", 5)]
    [InlineData("S7", 2)]
    [InlineData("S8", 2)]
    [InlineData("S9", Seeds)]
    [InlineData("S10", 5)]
    [InlineData("S11", Seeds)]
    [InlineData("S12", Seeds)]
    public void The_naive_arm_fails_and_malha_passes(string name, int seeds)
    {
        var failures = new List<string>();
        for (var seed = 1UL; seed <= (ulong)seeds; seed++)
        {
            var naive = Scenarios[name].Run(Arm.Naive, seed);
            if (naive.Passed)
                failures.Add($"seed {seed}: naive passes: {naive.Reason}");
            var malha = Scenarios[name].Run(Arm.Malha, seed);
            if (!malha.Passed)
                failures.Add($"seed {seed}: Malha fails: {malha.Reason}");
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    /// <summary>
    /// S2's goodput while slow lies around its bound of .8, where a limit of 9 from the start would give .93: finding out that the service is slower and not
    /// busier costs a second or two of ten. So the mean is tested, and each seed's recovery.
    /// </summary>
    [Fact]
    public void S2_five_times_slower_for_10_s()
    {
        var goodput = new List<double>();
        for (var seed = 1UL; seed <= Seeds; seed++)
        {
            Assert.False(Scenarios["S2"].Run(Arm.Naive, seed).Passed);
            var malha = Scenarios["S2"].Run(Arm.Malha, seed);
            Assert.True(malha.RecoverySeconds <= 10, $"seed {seed}: {malha.Reason}");
            goodput.Add(malha.Checks[0].Measured);
        }

        Assert.True(goodput.Average() >= .78 && goodput.Min() >= .45, string.Join(' ', goodput));
    }

    [Fact]
    public void Without_retries_the_stall_drains_by_itself_so_that_retries_are_what_keeps_it_down()
    {
        var control = new StallScenario().Run(Arm.NoRetry, 1);
        var naive = new StallScenario().Run(Arm.Naive, 1);
        var from = StallScenario.StallAt + (int)StallScenario.StallSeconds + 15;
        Assert.True(control.Good.Skip(from).Sum() > .95 * control.Asked.Skip(from).Sum());
        Assert.True(naive.Good.Skip(from).Sum() < .2 * naive.Asked.Skip(from).Sum());
    }

    [Fact]
    public void A_seed_alone_decides_a_run()
    {
        var first = new StallScenario().Run(Arm.Malha, 5);
        var second = new StallScenario().Run(Arm.Malha, 5);
        Assert.Equal(first.Good, second.Good);
        Assert.Equal(first.Reason, second.Reason);
        Assert.NotEqual(first.Good, new StallScenario().Run(Arm.Malha, 6).Good);
    }
}
