namespace Malha.Delivery.Operations;

/// <summary>Where an operation stands. The numbers are on disk: they are never given to another meaning.</summary>
internal enum OperationState : byte
{
    /// <summary>In its lane, to be delivered at its due time.</summary>
    Waiting = 1,

    /// <summary>The server gave its answer.</summary>
    Succeeded = 2,

    /// <summary>Given up: among the dead letters, with the cause.</summary>
    Dead = 3,

    /// <summary>Taken back by its client before it started.</summary>
    Cancelled = 4,
}

/// <summary>How much an acknowledgement promises; the same words on both engines. The numbers are on disk.</summary>
internal enum AckLevel : byte
{
    /// <summary>Queued in memory: lost with the process.</summary>
    None = 1,

    /// <summary>Written to the operating system: survives a killed process, not a power failure.</summary>
    Leader = 2,

    /// <summary>Synced to the disk.</summary>
    All = 3,
}

/// <summary>What became of one attempt. The numbers are on disk.</summary>
internal enum AttemptResult : byte
{
    Answered = 1,
    ConnectionFailed = 2,
    TimedOut = 3,
    Reset = 4,
    Refused = 5,
}

/// <summary>Whether an operation's end was told to whom it is to be told. The numbers are on disk.</summary>
internal enum CallbackState : byte
{
    /// <summary>Nobody is to be told, or it has not ended.</summary>
    None = 0,

    /// <summary>It is to be told, at its due time.</summary>
    Pending = 1,

    /// <summary>The receiver took it.</summary>
    Delivered = 2,

    /// <summary>The receiver wants no more of it (410).</summary>
    Gone = 3,

    /// <summary>Nobody took it in its time.</summary>
    GivenUp = 4,
}

/// <summary>Why an operation is among the dead letters. The numbers are on disk.</summary>
internal enum DeadCause : byte
{
    /// <summary>Not dead.</summary>
    None = 0,

    /// <summary>Its time to live ended while the server was away: an outage, not a bad request.</summary>
    Expired = 1,

    /// <summary>The server answered, and refused it as often as may be tried.</summary>
    Poison = 2,

    /// <summary>The caller's credential was good when it was accepted and no longer is.</summary>
    CredentialExpired = 3,

    /// <summary>An operator's word.</summary>
    Dropped = 4,

    /// <summary>What was kept cannot be made a request of any more: its body is damaged, or no key that is configured opens its credentials.</summary>
    Undeliverable = 5,
}
