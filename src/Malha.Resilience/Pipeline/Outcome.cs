namespace Malha.Resilience;

/// <summary>Why a pipeline did not call, or gave up.</summary>
public enum PipelineRefusal
{
    None = 0,
    BreakerOpen = 1,
    LimitReached = 2,
    DeadlinePassed = 3,

    /// <summary>The service refuses so many calls that this one was not sent.</summary>
    Throttled = 4,

    /// <summary>The caller left while it waited for a place.</summary>
    Cancelled = 5,
}

/// <summary>What a call gave: a result, a refusal of the pipeline, or the exception of its last attempt.</summary>
public readonly record struct Outcome<T>
{
    public T? Value { get; init; }

    public PipelineRefusal Refusal { get; init; }

    /// <summary>How long to wait before it makes sense to ask again, where a policy knows.</summary>
    public TimeSpan RetryAfter { get; init; }

    /// <summary>What the last attempt came to: an answer may report a failure.</summary>
    public OutcomeKind Kind { get; init; }

    public Exception? Exception { get; init; }

    /// <summary>Attempts that were made.</summary>
    public int Attempts { get; init; }

    /// <summary>There is an answer, and it reports no failure.</summary>
    public bool Succeeded => Refusal == PipelineRefusal.None && Exception is null && Kind == OutcomeKind.Success;

    /// <summary>The result, or an exception: the last attempt's own, or <see cref="ResilienceRefusedException"/>.</summary>
    public T GetResultOrThrow()
    {
        if (Exception is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(Exception);
        return Refusal switch
        {
            PipelineRefusal.None => Value!,
            PipelineRefusal.Cancelled => throw new OperationCanceledException("The caller left while it waited for a place at the service."),
            _ => throw new ResilienceRefusedException(Refusal, RetryAfter),
        };
    }
}

/// <summary>A pipeline refused a call. Who does not want exceptions for this uses TryExecuteAsync of <see cref="ResiliencePipeline"/>.</summary>
public sealed class ResilienceRefusedException(PipelineRefusal refusal, TimeSpan retryAfter)
    : Exception($"The call was refused ({refusal}); it makes sense to try again in {retryAfter.TotalMilliseconds:0} ms.")
{
    public PipelineRefusal Refusal { get; } = refusal;

    public TimeSpan RetryAfter { get; } = retryAfter;
}
