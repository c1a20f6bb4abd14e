namespace Malha.Resilience;

/// <summary>When and how often a failed call is tried again.</summary>
public sealed record RetryOptions
{
    /// <summary>Attempts in all, the first one included; 1 means no retry.</summary>
    public int Attempts { get; init; } = Defaults.RetryAttempts;

    public BackoffKind Backoff { get; init; } = Defaults.RetryBackoff;

    /// <summary>The unit of the back-off: see <see cref="Resilience.Backoff"/>.</summary>
    public TimeSpan Base { get; init; } = Defaults.RetryBase;

    /// <summary>No computed delay is longer. Jitter is drawn below it, so that clients at the cap do not march in step.</summary>
    public TimeSpan Max { get; init; } = Defaults.RetryMax;

    /// <summary>How much longer than the computed delay a Retry-After may make the wait.</summary>
    public TimeSpan RetryAfterAllowance { get; init; } = Defaults.RetryAfterAllowance;

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.Require(Attempts is >= 1 and <= Defaults.RetryAttemptsAtMost, nameof(Attempts), $"must be between 1 and {Defaults.RetryAttemptsAtMost}");
        checks.Require(Enum.IsDefined(Backoff), nameof(Backoff), "must be a known kind of back-off");
        checks.Positive(Base, nameof(Base));
        checks.Require(Max >= Base, nameof(Max), "must not be shorter than the base");
        checks.Require(RetryAfterAllowance >= TimeSpan.Zero, nameof(RetryAfterAllowance), "must not be negative");
        return checks.Errors;
    }
}
