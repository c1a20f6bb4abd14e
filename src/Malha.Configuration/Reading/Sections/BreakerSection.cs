using Malha.Configuration.Reading.Shapes;
using Malha.Configuration.Validation;
using Malha.Resilience;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;
using Policies = Malha.Resilience.Defaults;

namespace Malha.Configuration.Reading.Sections;

/// <summary>What the key <c>slow</c> says: which calls are slow, and how many of them open the breaker.</summary>
internal sealed record SlowRule(TimeSpan Over, double Rate);

internal static class BreakerSection
{
    private const int Most = 1_000_000;

    private static readonly Shape<DurationRange> Open = Forms.DurationRange(Policies.BreakerOpenMax);

    // The duration of the new record only stands in until the key is read, which is required.
    private static readonly Section<Policy<SlowRule>> Slow =
        new Section<Policy<SlowRule>>("a map: over, rate", _ => new(new SlowRule(TimeSpan.Zero, Policies.BreakerSlowRatio)))
        .Required("over", Forms.Duration, s => s.Value.Over, (s, v) => new(s.Value with { Over = v }),
            "A request whose response head takes longer is slow, from that moment on.")
        .Optional("rate", Forms.SomeShare, Defaults.BreakerSlowRate, s => s.Value.Rate, (s, v) => new(s.Value with { Rate = v }),
            "The share of slow requests within the window that opens the breaker.");

    private static readonly Section<Policy<BreakerOptions>> Rules =
        new Section<Policy<BreakerOptions>>(
            "a map: failures, consecutive, slow, window, minimum, open, probes, successes, ramp", _ => new(new BreakerOptions()))
        .Optional("failures", new OrOffShape<double>(Forms.SomeShare), Defaults.BreakerFailures,
            b => b.Value.FailureRatio, (b, v) => new(b.Value with { FailureRatio = v }),
            "The share of failed requests within the window that opens the breaker of an endpoint.")
        .Optional("consecutive", new OrOffShape<int>(Forms.Integer(1, Most)), Defaults.BreakerConsecutive,
            b => b.Value.Consecutive, (b, v) => new(b.Value with { Consecutive = v }),
            "Failures in a row that open it.")
        .Optional("slow", new OffOrMapShape<Policy<SlowRule>>(Slow), "off",
            b => b.Value.SlowOver is { } over ? new Policy<SlowRule>(new(over, b.Value.SlowRatio)) : null,
            (b, v) => new(b.Value with { SlowOver = v?.Value.Over, SlowRatio = v?.Value.Rate ?? Policies.BreakerSlowRatio }),
            "Slow requests that open it; those still in flight count too.")
        .Optional("window", Forms.DurationBetween(TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(24)), Defaults.BreakerWindow,
            b => b.Value.Window, (b, v) => new(b.Value with { Window = v }),
            "How far back the shares look.")
        .Optional("minimum", Forms.Integer(1, Most), Defaults.BreakerMinimum, b => b.Value.Minimum, (b, v) => new(b.Value with { Minimum = v }),
            "Fewer requests than this within the window prove nothing to the shares.")
        .Optional("open", Open, Defaults.BreakerOpen, b => new DurationRange(b.Value.Open, b.Value.OpenMax),
            (b, v) => new(b.Value with { Open = v.First, OpenMax = v.Longest }),
            "How long it stays open before the endpoint is tried again: at first, and at most, since the time doubles with each failed trial.")
        .Optional("probes", Forms.Integer(1, Policies.BreakerProbesAtMost), Defaults.BreakerProbes,
            b => b.Value.Probes, (b, v) => new(b.Value with { Probes = v }),
            "Requests that it then lets through to find out.")
        .Optional("successes", Forms.Integer(1, Policies.BreakerProbesAtMost), "the majority of probes",
            b => b.Value.ProbeSuccesses, (b, v) => new(b.Value with { ProbeSuccesses = v }),
            "How many of the probes must succeed to close it.")
        .Optional("ramp", new OrOffShape<TimeSpan>(Forms.Duration), Defaults.BreakerRamp, b => Ramp(b.Value),
            (b, v) => new(b.Value with { Ramp = v ?? TimeSpan.Zero }),
            "How long the endpoint then takes from 10% of its requests to all; off: all at once.")
        .Checked(PolicyRules.CheckBreaker);

    public static Shape<Policy<BreakerOptions>?> Shape { get; } = new OffOrMapShape<Policy<BreakerOptions>>(Rules);

    private static TimeSpan? Ramp(BreakerOptions options) => options.Ramp == TimeSpan.Zero ? null : options.Ramp;
}
