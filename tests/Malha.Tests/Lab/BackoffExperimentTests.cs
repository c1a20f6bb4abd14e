using Malha.Lab.Backoff;
using Malha.Resilience;

namespace Malha.Tests.Lab;

/// <summary>Against the figures of AWS's public simulator, each within three standard errors of the difference of the two means.</summary>
public sealed class BackoffExperimentTests
{
    [Theory]
    [InlineData(BackoffKind.None, 10, 51.0, 379)]
    [InlineData(BackoffKind.Exponential, 10, 50.8, 3436)]
    [InlineData(BackoffKind.EqualJitter, 10, 42.7, 761)]
    [InlineData(BackoffKind.DecorrelatedJitter, 10, 37.7, 446)]
    [InlineData(BackoffKind.ExponentialJitter, 10, 39.0, 469)]
    [InlineData(BackoffKind.None, 20, 151.8, 601)]
    [InlineData(BackoffKind.Exponential, 20, 149.9, 14490)]
    [InlineData(BackoffKind.EqualJitter, 20, 108.0, 1657)]
    [InlineData(BackoffKind.DecorrelatedJitter, 20, 101.2, 834)]
    [InlineData(BackoffKind.ExponentialJitter, 20, 100.1, 1025)]
    [InlineData(BackoffKind.None, 50, 689.6, 1143)]
    [InlineData(BackoffKind.Exponential, 50, 622.2, 36504)]
    [InlineData(BackoffKind.EqualJitter, 50, 346.9, 4250)]
    [InlineData(BackoffKind.DecorrelatedJitter, 50, 376.6, 2144)]
    [InlineData(BackoffKind.ExponentialJitter, 50, 332.7, 2862)]
    [InlineData(BackoffKind.None, 100, 2432, 2022)]
    [InlineData(BackoffKind.Exponential, 100, 1863, 63649)]
    [InlineData(BackoffKind.EqualJitter, 100, 810, 6604)]
    [InlineData(BackoffKind.DecorrelatedJitter, 100, 1010, 4414)]
    [InlineData(BackoffKind.ExponentialJitter, 100, 796, 4818)]
    public void Agrees_with_the_published_table(BackoffKind kind, int clients, double calls, double ms)
    {
        var trials = clients == 100 ? 30 : 100;
        var summary = BackoffExperiment.Summarize(kind, clients, trials, seed: 1);
        // Both are means over as many trials: the difference has √2 of one's standard error. The table is rounded to its last digit.
        Assert.InRange(summary.Calls, calls - 3 * Math.Sqrt(2) * summary.CallsError - .5, calls + 3 * Math.Sqrt(2) * summary.CallsError + .5);
        Assert.InRange(summary.Ms, ms - 3 * Math.Sqrt(2) * summary.MsError - .5, ms + 3 * Math.Sqrt(2) * summary.MsError + .5);
    }

    [Fact]
    public void Full_jitter_needs_less_than_half_the_calls_of_plain_exponential_at_a_hundred_clients()
    {
        var plain = BackoffExperiment.Summarize(BackoffKind.Exponential, 100, 30, seed: 2);
        var full = BackoffExperiment.Summarize(BackoffKind.ExponentialJitter, 100, 30, seed: 2);
        Assert.InRange(full.Calls / plain.Calls, .40, .46);
    }
}
