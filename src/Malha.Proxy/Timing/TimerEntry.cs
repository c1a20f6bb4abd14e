namespace Malha.Proxy.Timing;

/// <summary>Something with a deadline on a <see cref="TimerWheel"/>. Arming and disarming on the request path takes no lock as a rule.</summary>
/// <remarks>
/// The wheel looks at an entry no later than <c>ScheduledFor</c> and then reads the deadline that holds by that time. A connection that moves
/// its deadline with every request is therefore relinked only when the wheel comes by, or when a new deadline is earlier than the next look.
/// </remarks>
internal abstract class TimerEntry
{
    internal const long None = long.MaxValue;

    // The deadline has passed and its owner has not been told yet. Earlier than any time, so that a new deadline or none replaces it.
    private const long Expired = long.MinValue;

    private long _deadline = None;

    /// <summary>When the wheel will look next, in wheel milliseconds; <see cref="None"/> when it is not linked. Written under the wheel's lock.</summary>
    internal long ScheduledFor = None;

    internal int Slot = -1;
    internal TimerEntry? Previous;
    internal TimerEntry? Next;

    /// <summary>The deadline that holds, in milliseconds of the wheel's clock; <see cref="None"/> when there is none.</summary>
    public long Deadline => Volatile.Read(ref _deadline) is var deadline and not Expired ? deadline : None;

    /// <summary>Sets the deadline, in place of any other.</summary>
    public void Arm(TimerWheel wheel, long deadline)
    {
        // A full fence: either the wheel, which clears ScheduledFor before it reads the deadline, sees this deadline, or we see it cleared.
        Interlocked.Exchange(ref _deadline, deadline);
        if (deadline < Volatile.Read(ref ScheduledFor))
            wheel.Schedule(this);
    }

    public void Disarm() => Volatile.Write(ref _deadline, None);

    /// <summary>Notes that the deadline has passed, so that it is reported once.</summary>
    internal bool TryExpire(long now)
    {
        var deadline = Volatile.Read(ref _deadline);
        return deadline <= now && deadline != Expired && Interlocked.CompareExchange(ref _deadline, Expired, deadline) == deadline;
    }

    /// <summary>
    /// Whether the deadline that has passed is still the one that holds: its owner may have disarmed it, or set another, before it was told.
    /// An owner whose state changes meanwhile (an idle connection that is leased) reads that state first and then acts upon what it has read.
    /// </summary>
    protected bool TakeExpiry() => Interlocked.CompareExchange(ref _deadline, None, Expired) == Expired;

    /// <summary>The deadline has passed, if <see cref="TakeExpiry"/> says so. Called on the wheel's thread, outside its lock; must not block or throw.</summary>
    protected internal abstract void OnDeadline();
}
