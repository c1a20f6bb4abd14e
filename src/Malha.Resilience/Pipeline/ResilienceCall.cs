namespace Malha.Resilience;

/// <summary>What an attempt came to, in the words of the policies, and whether it may be made again.</summary>
/// <param name="Outcome">What breaker, limit and throttle are told.</param>
/// <param name="Retryability">Whether another attempt is safe; whether it is wise is for the retry policy to say.</param>
/// <param name="RetryAfter">How long the service asks to be left alone.</param>
public readonly record struct AttemptJudgement(OutcomeKind Outcome, Retryability Retryability, TimeSpan? RetryAfter = null)
{
    public static AttemptJudgement Success => new(OutcomeKind.Success, Retryability.NotAFailure);

    public static AttemptJudgement Failure => new(OutcomeKind.Failure, Retryability.Retryable);
}

/// <summary>
/// One kind of call for a <see cref="ResiliencePipeline"/>: how an attempt is made, and how its answer is to be read. It has no state of its own; what belongs
/// to one call comes in with it.
/// </summary>
public abstract class ResilienceCall<TState, T>
{
    /// <summary>
    /// Whether the token of an attempt may be looked at after its answer is there, as it is where a body follows its head. Such tokens are not used for another
    /// attempt.
    /// </summary>
    public virtual bool TokensOutliveAttempts => false;

    /// <summary>Makes one attempt; the first is number 1. With hedging two may be under way at once.</summary>
    public abstract ValueTask<T> AttemptAsync(TState state, int number, CancellationToken cancellationToken);

    /// <summary>
    /// What an answer says of the service, or an exception: by default an answer is a success and an exception a failure that may be tried again. Timeouts
    /// and callers that leave are judged by the pipeline itself; only <see cref="CanRepeat"/> is asked then.
    /// </summary>
    public virtual AttemptJudgement Judge(TState state, T? answer, Exception? exception) => exception is null ? AttemptJudgement.Success : AttemptJudgement.Failure;

    /// <summary>Whether an attempt that timed out may be made again, though the service may have done what it was asked for.</summary>
    public virtual bool CanRepeat(TState state) => true;

    /// <summary>Whether a second attempt may be made beside the first.</summary>
    public virtual bool CanHedge(TState state) => CanRepeat(state);

    /// <summary>An answer that the caller does not get: another attempt follows, or another one won.</summary>
    public virtual void Discard(T answer)
    {
    }
}

/// <summary>A plain function as a call; one object for each pair of types.</summary>
internal sealed class FunctionCall<TState, T> : ResilienceCall<(Func<TState, CancellationToken, ValueTask<T>> Function, TState State), T>
{
    public static readonly FunctionCall<TState, T> Instance = new();

    public override ValueTask<T> AttemptAsync((Func<TState, CancellationToken, ValueTask<T>> Function, TState State) state, int number, CancellationToken cancellationToken) =>
        state.Function(state.State, cancellationToken);
}
