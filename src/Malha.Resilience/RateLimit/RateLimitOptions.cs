namespace Malha.Resilience;

/// <summary>A rate with a burst: so many requests per period, and so many at once after a pause.</summary>
public sealed record RateLimitOptions
{
    /// <summary>Requests per <see cref="Period"/>.</summary>
    public required double Limit { get; init; }

    public TimeSpan Period { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Requests that may come at once. Null: as many as a period has, at least one.</summary>
    public double? Burst { get; init; }

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.Require(Limit > 0 && double.IsFinite(Limit), nameof(Limit), "must be more than 0");
        checks.Positive(Period, nameof(Period));
        checks.Require(Burst is null or >= 1, nameof(Burst), "must be at least 1");
        checks.Require(!(Limit > 0) || Period / Limit >= TimeSpan.FromMicroseconds(0.1), nameof(Limit), "must be at most 10,000,000 per second");
        checks.Require(!(Limit > 0) || (Burst ?? Limit) * (Period.TotalDays / Limit) <= 3650, nameof(Burst), "must be refilled within ten years");
        return checks.Errors;
    }
}
