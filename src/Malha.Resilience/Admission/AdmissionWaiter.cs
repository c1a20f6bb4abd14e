namespace Malha.Resilience;

/// <summary>Why a call was not let to its service.</summary>
public enum AdmissionVerdict
{
    Admitted = 0,

    /// <summary>It waits; its waiter will be told.</summary>
    Queued = 1,

    /// <summary>The service has as many calls in flight as it can work on, and waiting did not help.</summary>
    Overloaded = 2,

    /// <summary>More calls than the service was designed to bear.</summary>
    OverCapacity = 3,

    QueueFull = 4,

    /// <summary>There is not enough time left to get an answer.</summary>
    DeadlineTooNear = 5,

    /// <summary>The caller gave up while it waited.</summary>
    Cancelled = 6,
}

/// <summary>Whether a call may go to its service, and if not, what its refusal has to tell.</summary>
public readonly record struct AdmissionDecision
{
    public AdmissionVerdict Verdict { get; init; }

    public LimitPermit Permit { get; init; }

    /// <summary>Calls in flight, calls waiting, the class's own calls, or what would have been taken of the capacity: what was measured against <see cref="Limit"/>.</summary>
    public int Observed { get; init; }

    public int Limit { get; init; }

    public TimeSpan Waited { get; init; }

    public TimeSpan RetryAfter { get; init; }
}

/// <summary>
/// A call that waits: the caller's own pooled object, linked into the queue without any allocation. <see cref="OnDecided"/> is called once, outside any
/// lock, by the thread that gave up a seat or saw the time pass: it should only schedule, for example by completing a value-task source.
/// </summary>
public abstract class AdmissionWaiter
{
    internal AdmissionWaiter? Newer { get; set; }

    internal AdmissionWaiter? Older { get; set; }

    internal bool Linked { get; set; }

    internal int Class { get; set; }

    internal Moment Since { get; set; }

    internal Deadline Deadline { get; set; }

    internal AdmissionDecision Decision { get; set; }

    /// <summary>Admitted with its permit, or refused.</summary>
    public abstract void OnDecided(in AdmissionDecision decision);
}

/// <summary>Decided waiters on their way out of the lock, chained through themselves.</summary>
internal ref struct DecidedWaiters
{
    private AdmissionWaiter? _first;
    private AdmissionWaiter? _last;

    public void Add(AdmissionWaiter waiter)
    {
        waiter.Newer = null;
        if (_last is null)
            _first = waiter;
        else
            _last.Newer = waiter;
        _last = waiter;
    }

    public readonly void Tell()
    {
        // A waiter may be reused as soon as it is told.
        for (var waiter = _first; waiter is not null;)
        {
            var next = waiter.Newer;
            waiter.Newer = null;
            var decision = waiter.Decision;
            waiter.OnDecided(decision);
            waiter = next;
        }
    }
}
