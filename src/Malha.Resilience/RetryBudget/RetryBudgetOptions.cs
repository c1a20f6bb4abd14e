namespace Malha.Resilience;

/// <summary>How much a caller may add to what it asks of one dependency, by retrying, hedging and delivering again.</summary>
public sealed record RetryBudgetOptions
{
    /// <summary>What each first attempt that succeeds earns, in attempts.</summary>
    public double Ratio { get; init; } = Defaults.BudgetRatio;

    /// <summary>Attempts per second that are granted whatever happens, so that a quiet caller may retry at all.</summary>
    public double FloorPerSecond { get; init; } = Defaults.BudgetFloorPerSecond;

    /// <summary>Nothing earned longer ago than this can be spent.</summary>
    public TimeSpan Window { get; init; } = Defaults.BudgetWindow;

    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.Require(Ratio is >= 0 and <= 1, nameof(Ratio), "must be between 0 % and 100 %");
        checks.Require(FloorPerSecond is >= 0 and <= 1_000_000, nameof(FloorPerSecond), "must be between 0 and 1,000,000 per second");
        checks.Require(Window >= TimeSpan.FromSeconds(1), nameof(Window), "must be at least 1 s");
        return checks.Errors;
    }
}
