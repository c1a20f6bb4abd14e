using Malha.Resilience;

namespace Malha.Proxy.Telemetry.Decisions;

/// <summary>What followed on an attempt that failed, and why nothing did.</summary>
internal enum NextStep : byte
{
    /// <summary>It did not fail, or there was nothing to decide.</summary>
    None,

    /// <summary>The connection was refused: another endpoint was asked at once.</summary>
    OtherEndpoint,

    /// <summary>Another attempt after the back-off.</summary>
    Retried,

    /// <summary>The client left, or the gateway stopped.</summary>
    CallerLeft,

    /// <summary>Neither the route nor the service has a retry policy.</summary>
    NoPolicy,
    AttemptsSpent,
    BudgetSpent,

    /// <summary>What is left of the timeout is less than back-off and answer take.</summary>
    DeadlineTooNear,

    /// <summary>The service may have executed it, and it must not be executed twice.</summary>
    NotIdempotent,

    /// <summary>The body was too large to be kept, or was still coming in.</summary>
    BodyGone,
    AnswerStarted,

    /// <summary>Whoever retries above is the one to go on.</summary>
    RetriedAbove,
}

internal static class NextSteps
{
    private static readonly string?[] Names =
    [
        null, "other-endpoint", "retried", "caller-left", "no-policy", "attempts-spent", "budget-spent", "deadline-too-near", "not-idempotent", "body-gone", "answer-started",
        "retried-above",
    ];

    /// <summary>Null when there was nothing to decide.</summary>
    public static string? NameOf(NextStep step) => Names[(int)step];

    public static NextStep Of(in RetryDecision decision) => decision.Verdict switch
    {
        RetryVerdict.Retry => NextStep.Retried,
        RetryVerdict.AttemptsSpent => NextStep.AttemptsSpent,
        RetryVerdict.BudgetSpent => NextStep.BudgetSpent,
        RetryVerdict.DeadlineTooNear => NextStep.DeadlineTooNear,
        _ => decision.Retryability switch
        {
            Retryability.CallerLeft => NextStep.CallerLeft,
            Retryability.AnswerStarted => NextStep.AnswerStarted,
            Retryability.BodyGone => NextStep.BodyGone,
            Retryability.MayHaveBeenExecuted => NextStep.NotIdempotent,
            Retryability.RetriedAbove => NextStep.RetriedAbove,
            _ => NextStep.None,
        },
    };
}
