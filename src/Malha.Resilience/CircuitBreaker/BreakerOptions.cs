namespace Malha.Resilience;

/// <summary>When an endpoint is given up, how it is tried again, and how it is let back.</summary>
public sealed record BreakerOptions
{
    /// <summary>Share of failed calls in the window that opens; null turns the rule off.</summary>
    public double? FailureRatio { get; init; } = Defaults.BreakerFailureRatio;

    /// <summary>Failures in a row that open; null turns the rule off.</summary>
    public int? Consecutive { get; init; } = Defaults.BreakerConsecutive;

    /// <summary>A call that takes longer is slow, while it is still in flight too; null turns the rule off.</summary>
    public TimeSpan? SlowOver { get; init; }

    /// <summary>Share of slow calls that opens.</summary>
    public double SlowRatio { get; init; } = Defaults.BreakerSlowRatio;

    public TimeSpan Window { get; init; } = Defaults.BreakerWindow;

    /// <summary>Fewer calls than this in the window prove nothing to the two ratio rules.</summary>
    public int Minimum { get; init; } = Defaults.BreakerMinimum;

    /// <summary>The first open time, before jitter.</summary>
    public TimeSpan Open { get; init; } = Defaults.BreakerOpen;

    /// <summary>The longest open time, before jitter.</summary>
    public TimeSpan OpenMax { get; init; } = Defaults.BreakerOpenMax;

    /// <summary>m: calls that a half-open breaker lets through to find out.</summary>
    public int Probes { get; init; } = Defaults.BreakerProbes;

    /// <summary>n of m: successes that close it. Null: the majority.</summary>
    public int? ProbeSuccesses { get; init; }

    /// <summary>A probe without an answer for so long gives its permit back. Null: the open time.</summary>
    public TimeSpan? ProbeLease { get; init; }

    /// <summary>From 10 to 100 % of the calls, once closed; 0 for at once.</summary>
    public TimeSpan Ramp { get; init; } = Defaults.BreakerRamp;

    internal int Needed => Math.Min(Probes, ProbeSuccesses ?? Probes / 2 + 1);

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        if (FailureRatio is { } ratio)
            checks.Share(ratio, nameof(FailureRatio));
        if (Consecutive is { } consecutive)
            checks.AtLeast(consecutive, 1, nameof(Consecutive));
        if (SlowOver is { } slow)
            checks.Positive(slow, nameof(SlowOver));
        checks.Share(SlowRatio, nameof(SlowRatio));
        checks.Require(Window >= TimeSpan.FromMilliseconds(100), nameof(Window), "must be at least 100 ms");
        checks.AtLeast(Minimum, 1, nameof(Minimum));
        checks.Positive(Open, nameof(Open));
        checks.Require(OpenMax >= Open, nameof(OpenMax), "must not be shorter than the first open time");
        checks.Require(Probes is >= 1 and <= Defaults.BreakerProbesAtMost, nameof(Probes), $"must be between 1 and {Defaults.BreakerProbesAtMost}");
        checks.Require(ProbeSuccesses is null || (ProbeSuccesses >= 1 && ProbeSuccesses <= Probes), nameof(ProbeSuccesses), "must be between 1 and the probes");
        if (ProbeLease is { } lease)
            checks.Positive(lease, nameof(ProbeLease));
        checks.Require(Ramp >= TimeSpan.Zero, nameof(Ramp), "must not be negative");
        return checks.Errors;
    }
}
