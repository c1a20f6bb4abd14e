using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class OutlierDetectorTests
{
    private static (OutlierDetector Detector, List<OutlierState> Endpoints) Make(int endpoints)
    {
        var detector = new OutlierDetector(new OutlierOptions());
        return (detector, Enumerable.Range(0, endpoints).Select(_ => detector.Add()).ToList());
    }

    /// <summary>Traffic of 20 calls a second to each endpoint that is not ejected; answers which were ejected.</summary>
    private static HashSet<int> Run(OutlierDetector detector, List<OutlierState> endpoints, Func<int, double> failing, double from, double to, ulong seed = 1)
    {
        var chance = new Chance(seed);
        var ejected = new HashSet<int>();
        for (var t = from; t < to; t += .05)
        {
            for (var i = 0; i < endpoints.Count; i++)
            {
                if (detector.IsEjected(endpoints[i], At.Seconds(t)))
                    continue;
                var outcome = chance.NextDouble() < failing(i) ? OutcomeKind.Failure : OutcomeKind.Success;
                if (detector.Report(endpoints[i], outcome, At.Seconds(t)))
                    ejected.Add(i);
            }

            var out_ = endpoints.Count(e => detector.IsEjected(e, At.Seconds(t)));
            Assert.True(out_ <= Math.Max(1, endpoints.Count / 10));
        }

        return ejected;
    }

    [Fact]
    public void One_endpoint_alone_is_never_an_outlier()
    {
        var (detector, endpoints) = Make(1);
        Assert.Empty(Run(detector, endpoints, _ => 1, 1, 60));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(30)]
    public void The_one_that_fails_is_ejected_and_no_other(int count)
    {
        var (detector, endpoints) = Make(count);
        Assert.Equal([1], Run(detector, endpoints, i => i == 1 ? .6 : .01, 1, 25));
    }

    [Fact]
    public void When_all_fail_alike_nobody_is_ejected()
    {
        for (var seed = 0UL; seed < 10; seed++)
        {
            var (detector, endpoints) = Make(10);
            Assert.Empty(Run(detector, endpoints, _ => .5, 1, 120, seed));
        }
    }

    [Fact]
    public void Never_more_than_a_tenth_are_out_though_half_are_bad()
    {
        var (detector, endpoints) = Make(30);
        Assert.True(Run(detector, endpoints, i => i % 2 == 0 ? .9 : 0, 1, 30).Count >= 3);
    }

    [Fact]
    public void Each_ejection_lasts_longer_and_good_times_take_it_back()
    {
        var (detector, endpoints) = Make(2);
        Run(detector, endpoints, i => i == 0 ? 1 : 0, 1, 4);
        var first = endpoints[0].LastEjection;
        Run(detector, endpoints, i => i == 0 ? 1 : 0, 4, 40);
        var second = endpoints[0].LastEjection;
        Assert.Equal((At.S(30), At.S(60)), (first, second));
        Run(detector, endpoints, _ => 0, 40, 240);
        Run(detector, endpoints, i => i == 0 ? 1 : 0, 240, 250);
        Assert.Equal(At.S(30), endpoints[0].LastEjection);
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once() =>
        Assert.Equal(
            7,
            new OutlierOptions { Window = default, Minimum = 0, Gap = 0, Deviations = -1, Ejection = default, EjectionMax = At.S(-1), EjectedAtMost = 2 }.Validate().Count);
}
