namespace Malha.Resilience;

/// <summary>
/// What became of one attempt, in the words that the policies need. What each policy makes of them differs on purpose: back-pressure feeds the
/// throttle and not the breaker, an abandoned attempt says nothing about the service unless it was slow already.
/// </summary>
public enum OutcomeKind
{
    /// <summary>An answer that the service meant to give, a client's own error (4xx) included.</summary>
    Success = 0,

    /// <summary>An answer that reports a failure of the service, or none that can be understood.</summary>
    Failure = 1,

    /// <summary>No connection: nothing of the request was sent.</summary>
    ConnectionFailure = 2,

    /// <summary>No answer within the time that the operator grants an attempt.</summary>
    Timeout = 3,

    /// <summary>The service asked for less: 429, or 503 with Retry-After.</summary>
    BackPressure = 4,

    /// <summary>The caller left, its own deadline passed, or another hedge won: the attempt says nothing.</summary>
    Abandoned = 5,
}

/// <summary>Questions that several policies ask about an outcome.</summary>
public static class OutcomeKinds
{
    /// <summary>True for what counts against the service in breaker, health and outlier detection.</summary>
    public static bool IsFailure(this OutcomeKind outcome) =>
        outcome is OutcomeKind.Failure or OutcomeKind.ConnectionFailure or OutcomeKind.Timeout;

    /// <summary>True for what says nothing about whether the service works.</summary>
    public static bool IsSilent(this OutcomeKind outcome) => outcome is OutcomeKind.BackPressure or OutcomeKind.Abandoned;
}
