namespace Malha.Proxy.Mirroring;

/// <summary>What became of a request that could have been copied.</summary>
internal enum MirrorOutcome : byte
{
    /// <summary>Answered, and not with a 5xx.</summary>
    Success,

    /// <summary>Answered with a 5xx, or the answer broke off.</summary>
    Failure,

    /// <summary>No answer in the service's time.</summary>
    Timeout,

    /// <summary>No connection.</summary>
    Unreachable,

    /// <summary>Not copied: as many copies were under way as may be, the gateway is short of resources, or nobody there may be asked.</summary>
    Dropped,

    /// <summary>Not copied: its body is longer than what is kept, or it changes to another protocol.</summary>
    Skipped,
}

/// <summary>The copies of one route's requests: how many are under way, and what became of them. It outlives reloads.</summary>
internal sealed class MirrorState
{
    private readonly long[] _counts = new long[(int)MirrorOutcome.Skipped + 1];
    private int _inFlight;

    /// <summary>Copies under way.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public long Count(MirrorOutcome outcome) => Interlocked.Read(ref _counts[(int)outcome]);

    /// <summary>A place for one more copy; it must end.</summary>
    public bool TryEnter(int most)
    {
        if (Interlocked.Increment(ref _inFlight) <= most)
            return true;
        Interlocked.Decrement(ref _inFlight);
        return false;
    }

    public void Leave(MirrorOutcome outcome)
    {
        Interlocked.Decrement(ref _inFlight);
        Note(outcome);
    }

    /// <summary>A request that was not copied.</summary>
    public void Note(MirrorOutcome outcome) => Interlocked.Increment(ref _counts[(int)outcome]);
}
