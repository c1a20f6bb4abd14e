namespace Malha.Resilience;

/// <summary>How the results of active checks make an endpoint healthy or not.</summary>
public sealed record HealthOptions
{
    /// <summary>Successes in a row that make an unhealthy endpoint healthy.</summary>
    public int Rise { get; init; } = Defaults.HealthRise;

    /// <summary>Failures in a row that make a healthy endpoint unhealthy.</summary>
    public int Fall { get; init; } = Defaults.HealthFall;

    public TimeSpan Every { get; init; } = Defaults.HealthEvery;

    /// <summary>How long a recovered endpoint takes to get its full weight; 0 for at once.</summary>
    public TimeSpan SlowStart { get; init; } = Defaults.HealthSlowStart;

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.AtLeast(Rise, 1, nameof(Rise));
        checks.AtLeast(Fall, 1, nameof(Fall));
        checks.Require(Every >= TimeSpan.FromMilliseconds(10), nameof(Every), "must be at least 10 ms");
        checks.Require(SlowStart >= TimeSpan.Zero, nameof(SlowStart), "must not be negative");
        return checks.Errors;
    }
}
