namespace Malha.Delivery.Operations;

/// <summary>A header as it will be sent.</summary>
internal readonly record struct HeaderField(string Name, string Value);

/// <summary>One attempt that was made: when, what became of it, and the status if there was an answer.</summary>
internal readonly record struct AttemptRecord(DateTimeOffset At, AttemptResult Result, int Status);

/// <summary>
/// A request that was accepted for later, and all that became of it since. Immutable: a change is a copy that is stored under the same id. The request's body and the
/// server's answer are stored beside it, so that a change of state rewrites a few hundred bytes. Times are whole milliseconds.
/// </summary>
internal sealed record Operation
{
    public required OperationId Id { get; init; }

    /// <summary>The client that made it, the only one that may see it.</summary>
    public required string Owner { get; init; }

    public string Class { get; init; } = "";

    public required string Service { get; init; }

    /// <summary>The queue that it waits in: the service, unless a route says otherwise. At most <see cref="OperationLimits.LaneBytes"/>.</summary>
    public required string Lane { get; init; }

    /// <summary>Operations of one key are delivered in the order of their acceptance. Empty: in no order.</summary>
    public string Key { get; init; } = "";

    public required AckLevel Acks { get; init; }

    public required string Method { get; init; }

    public required string Target { get; init; }

    public IReadOnlyList<HeaderField> Headers { get; init; } = [];

    /// <summary>Headers that are credentials, sealed by <see cref="CredentialSeal"/>; empty when there are none, or no key to seal them with.</summary>
    public ReadOnlyMemory<byte> SealedCredentials { get; init; }

    /// <summary>The W3C trace context that it came with.</summary>
    public string TraceParent { get; init; } = "";

    /// <summary>Where to tell its end. Empty: nowhere.</summary>
    public string Callback { get; init; } = "";

    public CallbackState CallbackState { get; init; }

    /// <summary>When its end is told, while that is pending.</summary>
    public DateTimeOffset? CallbackDue { get; init; }

    public int CallbackAttempts { get; init; }

    /// <summary>Status of the receiver's last answer; 0: none.</summary>
    public int CallbackStatus { get; init; }

    /// <summary>Why the last attempt had no answer.</summary>
    public string CallbackProblem { get; init; } = "";

    /// <summary>Length of the body that is stored under the same id.</summary>
    public long BodyBytes { get; init; }

    /// <summary>Set when an Idempotency-Key came with it.</summary>
    public Deduplication? Deduplication { get; init; }

    public OperationState State { get; init; } = OperationState.Waiting;

    public DeadCause DeadCause { get; init; }

    /// <summary>All attempts that counted; <see cref="Attempts"/> has the latest of them.</summary>
    public int AttemptCount { get; init; }

    public IReadOnlyList<AttemptRecord> Attempts { get; init; } = [];

    public required DateTimeOffset Created { get; init; }

    /// <summary>When it may be tried next.</summary>
    public required DateTimeOffset Due { get; init; }

    /// <summary>When it becomes a dead letter if it still waits.</summary>
    public DateTimeOffset? Expires { get; init; }

    public DateTimeOffset? Finished { get; init; }

    /// <summary>When it is forgotten.</summary>
    public DateTimeOffset? Forget { get; init; }

    /// <summary>Status of the answer that is stored under the same id; 0 while there is none.</summary>
    public int AnswerStatus { get; init; }

    /// <summary>Whether others of its key wait before it: it is not due before the last of them has gone.</summary>
    public bool IsBehind { get; init; }

    /// <summary>Attempts that the server answered, and that it refused: what is tried no more when it has been so often.</summary>
    public int Refusals { get; init; }

    /// <summary>The route that it came by, as the configuration of then called it.</summary>
    public string Route { get; init; } = "";

    /// <summary>What its request was called in logs and answers.</summary>
    public string RequestId { get; init; } = "";

    /// <summary>Where its client called from, for the forwarding fields.</summary>
    public string ClientAddress { get; init; } = "";

    /// <summary>Whether it came over TLS.</summary>
    public bool CameOverTls { get; init; }

    /// <summary>Whether it had credentials that were not kept, since there was no key to seal them with.</summary>
    public bool HasLostCredentials { get; init; }

    /// <summary>Its place among all operations of this log, given when it is stored.</summary>
    public long Position { get; init; }

    /// <summary>Counts its changes: a change names the one that it builds on.</summary>
    public long Revision { get; init; }

    /// <summary>Counts what became of it, the same for all gateways that share it; 0: none do.</summary>
    public long Change { get; init; }

    /// <summary>Its place in its partition of a log that gateways share.</summary>
    public long LogOffset { get; init; }

    /// <summary>Fields that a newer version wrote and this one does not know: kept as they are, and written back.</summary>
    public ReadOnlyMemory<byte> Unknown { get; init; }
}

/// <summary>The answer that the server gave, as it gave it.</summary>
/// <param name="Status">The status code.</param>
/// <param name="Headers">Its fields, less those of the connection that it came over.</param>
/// <param name="Body">Its body; empty when it was larger than what is kept.</param>
/// <param name="IsTooLarge">Whether it was.</param>
internal sealed record Answer(int Status, IReadOnlyList<HeaderField> Headers, ReadOnlyMemory<byte> Body, bool IsTooLarge = false);

/// <summary>What is too large for a record is refused when it is accepted.</summary>
internal static class OperationLimits
{
    /// <summary>Lane and key are parts of keys on disk; RocksDB is at its best with short ones.</summary>
    public const int LaneBytes = 255;

    public const int KeyBytes = 1024;

    public const int OwnerBytes = 255;

    /// <summary>Attempts that a record remembers one by one; the count goes on.</summary>
    public const int AttemptsKept = 32;
}
