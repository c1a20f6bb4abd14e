namespace Malha.Resilience;

/// <summary>When an endpoint is so much worse than the others that it is left out for a while.</summary>
public sealed record OutlierOptions
{
    public TimeSpan Window { get; init; } = Defaults.OutlierWindow;

    /// <summary>Calls that an endpoint needs in the window to be judged.</summary>
    public int Minimum { get; init; } = Defaults.OutlierMinimum;

    /// <summary>How much higher its share of failures must be than that of the others together.</summary>
    public double Gap { get; init; } = Defaults.OutlierGap;

    /// <summary>And by how many standard deviations of that difference.</summary>
    public double Deviations { get; init; } = Defaults.OutlierDeviations;

    /// <summary>The first ejection; the n-th lasts n times as long.</summary>
    public TimeSpan Ejection { get; init; } = Defaults.OutlierEjection;

    public TimeSpan EjectionMax { get; init; } = Defaults.OutlierEjectionMax;

    /// <summary>No more of the endpoints than this are out at a time, but always one may be.</summary>
    public double EjectedAtMost { get; init; } = Defaults.OutlierEjectedAtMost;

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.Require(Window >= TimeSpan.FromMilliseconds(100), nameof(Window), "must be at least 100 ms");
        checks.AtLeast(Minimum, 1, nameof(Minimum));
        checks.Share(Gap, nameof(Gap));
        checks.Require(Deviations >= 0, nameof(Deviations), "must not be negative");
        checks.Positive(Ejection, nameof(Ejection));
        checks.Require(EjectionMax >= Ejection, nameof(EjectionMax), "must not be shorter than the first ejection");
        checks.Share(EjectedAtMost, nameof(EjectedAtMost));
        return checks.Errors;
    }
}
