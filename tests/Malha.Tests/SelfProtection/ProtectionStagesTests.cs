using CsCheck;
using Malha.Proxy.SelfProtection;

namespace Malha.Tests.SelfProtection;

public sealed class ProtectionStagesTests
{
    [Theory]
    [InlineData("0.79 0.80 0.89 0.90 0.94 0.95 2", "0 1 1 2 2 3 3")]
    [InlineData("1 0.90 0.899 0.85 0.849 0.75 0.749", "3 3 2 2 1 1 0")]
    [InlineData("0.95 0.1 0.79", "3 0 0")]
    [InlineData("0.8 0.76 0.8 0.76 0.74 0.79", "1 1 1 1 0 0")]
    public void Stages_begin_at_their_thresholds_and_end_below_them(string shares, string stages)
    {
        var stage = ProtectionStage.Normal;
        var seen = shares.Split(' ').Select(share => (int)(stage = ProtectionStages.Next(stage, double.Parse(share, System.Globalization.CultureInfo.InvariantCulture))));
        Assert.Equal(stages, string.Join(' ', seen));
    }

    [Fact]
    public void Stage_does_not_flap_while_the_use_moves_by_less_than_five_points() =>
        Gen.Select(Gen.Double[0, 1.2], Gen.Double[0, 0.0499].Array[1, 50]).Sample((from, moves) =>
        {
            var stages = new List<ProtectionStage> { ProtectionStage.Normal };
            foreach (var move in moves)
                stages.Add(ProtectionStages.Next(stages[^1], from + move));
            Assert.Equal(stages.Order(), stages);
        }, seed: "0000KqZx7Sw1");

    [Theory]
    [InlineData(0, 100, 80)]
    [InlineData(1, 5, 5)]
    [InlineData(2, 100, 95)]
    [InlineData(3, 100, long.MaxValue)]
    [InlineData(0, long.MaxValue, long.MaxValue)]
    public void Next_threshold_is_the_first_whole_number_that_reaches_it(int stage, long limit, long expected) =>
        Assert.Equal(expected, ProtectionStages.BeginOfNext((ProtectionStage)stage, limit));
}
