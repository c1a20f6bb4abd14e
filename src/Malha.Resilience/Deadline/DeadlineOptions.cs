namespace Malha.Resilience;

/// <summary>How long a call, and each of its attempts, may take.</summary>
public sealed record DeadlineOptions
{
    /// <summary>Until the head of the final answer, retries and back-off included.</summary>
    public TimeSpan Timeout { get; init; } = Defaults.Timeout;

    /// <summary>For each attempt; null: what the call has left.</summary>
    public TimeSpan? AttemptTimeout { get; init; }

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.Positive(Timeout, nameof(Timeout));
        if (AttemptTimeout is { } attempt)
        {
            checks.Positive(attempt, nameof(AttemptTimeout));
            checks.Require(attempt <= Timeout, nameof(AttemptTimeout), "must not be longer than the timeout of the whole call");
        }

        return checks.Errors;
    }
}
