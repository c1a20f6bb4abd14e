namespace Malha.Resilience;

/// <summary>When a caller stops sending what the service would refuse anyway.</summary>
public sealed record ThrottleOptions
{
    /// <summary>K: how many requests are sent for each that is accepted. 2 lets half of the traffic through for nothing and notices recovery soon.</summary>
    public double Multiplier { get; init; } = Defaults.ThrottleMultiplier;

    public TimeSpan Window { get; init; } = Defaults.ThrottleWindow;

    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.Require(Multiplier is >= 1 and <= 100, nameof(Multiplier), "must be between 1 and 100");
        checks.Require(Window >= TimeSpan.FromSeconds(1), nameof(Window), "must be at least 1 s");
        return checks.Errors;
    }
}
