namespace Malha.Resilience;

/// <summary>What is known about a failed attempt when somebody asks whether it may be made again.</summary>
public readonly record struct AttemptFacts
{
    public OutcomeKind Outcome { get; init; }

    /// <summary>The request may be executed twice: its method is idempotent, or it carries an idempotency key that the service honours.</summary>
    public bool Idempotent { get; init; }

    /// <summary>At least one byte of the request went out, so that the service may have executed it.</summary>
    public bool FirstByteSent { get; init; }

    /// <summary>The caller has seen the beginning of an answer.</summary>
    public bool AnswerStarted { get; init; }

    /// <summary>The body is still held whole, or there is none.</summary>
    public bool BodyReplayable { get; init; }

    /// <summary>The request was itself a retry when it arrived: whoever retries above is the one to go on.</summary>
    public bool RetriedAbove { get; init; }
}

/// <summary>Why a failed attempt may or may not be made again.</summary>
public enum Retryability
{
    Retryable = 0,
    NotAFailure = 1,
    CallerLeft = 2,
    AnswerStarted = 3,
    BodyGone = 4,
    MayHaveBeenExecuted = 5,
    RetriedAbove = 6,
}

/// <summary>
/// Whether trying again is safe: idempotent requests, or any request of which nothing was sent; never once an answer is on its way to the caller, nor
/// with a body that is gone. Nothing here about whether it is wise: that is <see cref="RetryPolicy"/>.
/// </summary>
public static class Retryabilities
{
    public static Retryability Judge(in AttemptFacts facts)
    {
        if (facts.Outcome == OutcomeKind.Success)
            return Retryability.NotAFailure;
        if (facts.Outcome == OutcomeKind.Abandoned)
            return Retryability.CallerLeft;
        if (facts.RetriedAbove)
            return Retryability.RetriedAbove;
        if (facts.AnswerStarted)
            return Retryability.AnswerStarted;
        if (!facts.BodyReplayable)
            return Retryability.BodyGone;

        var untouched = !facts.FirstByteSent || facts.Outcome == OutcomeKind.ConnectionFailure;
        return untouched || facts.Idempotent ? Retryability.Retryable : Retryability.MayHaveBeenExecuted;
    }
}
