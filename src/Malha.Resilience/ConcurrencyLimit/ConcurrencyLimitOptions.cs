namespace Malha.Resilience;

/// <summary>How many calls a service may have in flight at a time: a fixed number, or one that is found and followed.</summary>
public sealed record ConcurrencyLimitOptions
{
    /// <summary>The number; null: adaptive.</summary>
    public int? Fixed { get; init; }

    /// <summary>Where the adaptive limit starts, and below which it goes only on evidence of congestion.</summary>
    public int Initial { get; init; } = Defaults.LimitInitial;

    public int Min { get; init; } = Defaults.LimitMin;

    public int Max { get; init; } = Defaults.LimitMax;

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        if (Fixed is { } number)
            checks.AtLeast(number, 1, nameof(Fixed));
        checks.AtLeast(Min, 1, nameof(Min));
        checks.Require(Max >= Min, nameof(Max), "must not be less than the minimum");
        checks.Require(Initial >= Min && Initial <= Max, nameof(Initial), "must lie between minimum and maximum");
        return checks.Errors;
    }
}
