namespace Malha.Resilience;

/// <summary>When a second attempt starts beside a first that takes long.</summary>
public sealed record HedgingOptions
{
    /// <summary>How long the first has before the second starts; null: as long as the measured 95th percentile.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>Attempts beside the first.</summary>
    public int Hedges { get; init; } = Defaults.HedgingHedges;

    /// <summary>No hedge starts earlier, whatever was measured.</summary>
    public TimeSpan DelayAtLeast { get; init; } = Defaults.HedgingDelayAtLeast;

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        if (Delay is { } delay)
            checks.Positive(delay, nameof(Delay));
        checks.Require(Hedges is >= 1 and <= Defaults.HedgingHedgesAtMost, nameof(Hedges), $"must be between 1 and {Defaults.HedgingHedgesAtMost}");
        checks.Positive(DelayAtLeast, nameof(DelayAtLeast));
        return checks.Errors;
    }
}
