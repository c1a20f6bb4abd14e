using Malha.Delivery.Operations;

namespace Malha.Delivery.Log;

/// <summary>What became of a write.</summary>
internal enum LogOutcome
{
    /// <summary>Stored, as durable as was asked for.</summary>
    Done,

    /// <summary>A call with the same Idempotency-Key and payload made an operation before: its id is in the result, as durable as was asked for.</summary>
    Exists,

    /// <summary>The Idempotency-Key was used with another payload.</summary>
    PayloadDiffers,

    /// <summary>The queue is full. Nothing was stored.</summary>
    Full,

    /// <summary>Too little space is left. Nothing was stored.</summary>
    DiskNearlyFull,

    /// <summary>Lane, key or body is longer than its limit. Nothing was stored.</summary>
    TooLarge,

    /// <summary>The operation has changed since it was read. Nothing was stored.</summary>
    Conflict,

    /// <summary>There is no such operation.</summary>
    NotFound,

    /// <summary>The caller gave up before it was written. Nothing was or will be stored.</summary>
    Withdrawn,

    /// <summary>The caller gave up while it was written: it may be stored.</summary>
    Abandoned,

    /// <summary>The disk failed, or the log is closed or being opened again. It may be stored, and is not acknowledged.</summary>
    Failed,
}

/// <summary>Outcome of a write, the operation that it is about, and its place in the log (0: none).</summary>
internal readonly record struct LogResult(LogOutcome Outcome, OperationId Id, ulong Sequence = 0)
{
    public bool IsAcknowledged => Outcome is LogOutcome.Done or LogOutcome.Exists;
}

/// <summary>Whether a read could be answered.</summary>
internal enum ReadOutcome
{
    Found,
    NotFound,

    /// <summary>The log is closed, or being opened again after an error.</summary>
    Unavailable,

    /// <summary>The stored bytes are not what was written.</summary>
    Damaged,
}

/// <summary>A read's outcome and, when found, its value.</summary>
internal readonly record struct LogRead<T>(ReadOutcome Outcome, T? Value)
    where T : class;
