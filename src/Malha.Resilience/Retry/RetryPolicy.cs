namespace Malha.Resilience;

/// <summary>Where a call stands when a retry is being considered.</summary>
public readonly record struct RetryQuestion
{
    /// <summary>Attempts made so far, the first one included.</summary>
    public int AttemptsMade { get; init; }

    public Retryability Retryability { get; init; }

    /// <summary>What the service asked for in Retry-After, as a duration from now.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public Deadline Deadline { get; init; }

    /// <summary>How long an answer usually takes: a retry that cannot be answered in time is not made.</summary>
    public TimeSpan TypicalLatency { get; init; }

    /// <summary>The delay before the previous retry; only decorrelated jitter looks at it.</summary>
    public TimeSpan PreviousDelay { get; init; }
}

/// <summary>Why a retry is made, or is not.</summary>
public enum RetryVerdict
{
    Retry = 0,
    NotRetryable = 1,
    AttemptsSpent = 2,
    DeadlineTooNear = 3,
    BudgetSpent = 4,
}

/// <summary>Whether to try again, and after how long.</summary>
public readonly record struct RetryDecision(RetryVerdict Verdict, TimeSpan Delay)
{
    /// <summary>Why it was not retryable; <see cref="Retryability.Retryable"/> when it was.</summary>
    public Retryability Retryability { get; init; }

    public bool ShouldRetry => Verdict == RetryVerdict.Retry;
}

/// <summary>
/// Decides whether a failed attempt is made again and after how long. The budget is asked last, so that a retry that would not be made for another
/// reason takes nothing from it; once asked it is paid, at the decision and not when the retry starts, so that a crowd that waits out its back-off
/// cannot overdraw it.
/// </summary>
public sealed class RetryPolicy(RetryOptions options, Chance chance)
{
    private volatile RetryOptions _options = options;

    public RetryOptions Options => _options;

    public void Update(RetryOptions options) => _options = options;

    public RetryDecision Decide(in RetryQuestion question, RetryBudget? budget, Moment now)
    {
        var options = _options;
        if (question.Retryability != Retryability.Retryable)
            return new RetryDecision(RetryVerdict.NotRetryable, default) { Retryability = question.Retryability };
        if (question.AttemptsMade >= options.Attempts)
            return new RetryDecision(RetryVerdict.AttemptsSpent, default);

        var computed = Backoff.Delay(options.Backoff, question.AttemptsMade, question.PreviousDelay, options, chance);
        var delay = Backoff.Honour(computed, question.RetryAfter, options);
        if (!question.Deadline.CanMeet(now + delay, question.TypicalLatency))
            return new RetryDecision(RetryVerdict.DeadlineTooNear, delay);
        if (budget is not null && !budget.TryTake(now))
            return new RetryDecision(RetryVerdict.BudgetSpent, delay);
        return new RetryDecision(RetryVerdict.Retry, delay);
    }
}
