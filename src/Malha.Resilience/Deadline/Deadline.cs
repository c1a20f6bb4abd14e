namespace Malha.Resilience;

/// <summary>
/// The moment by which a call must have its answer. Inside a process it is a moment on the monotonic clock; between processes it travels as the
/// milliseconds that remain, since no two clocks agree. The default value is a deadline that never comes.
/// </summary>
public readonly record struct Deadline
{
    /// <summary>Distance to the end of time, so that the default value means "none".</summary>
    private readonly long _beforeNever;

    private Deadline(Moment at) => _beforeNever = long.MaxValue - at.Ticks;

    public static Deadline None => default;

    public bool IsNone => _beforeNever == 0;

    public Moment At => new(long.MaxValue - _beforeNever);

    public static Deadline After(Moment now, TimeSpan timeout) => new(now + timeout);

    /// <summary>
    /// What a call may take here: the operator's timeout, or what the caller says is left if that is less. A caller can only shorten it.
    /// </summary>
    public static Deadline Start(Moment now, DeadlineOptions options, long? callerMilliseconds)
    {
        ArgumentNullException.ThrowIfNull(options);
        var own = After(now, options.Timeout);
        return callerMilliseconds is { } left ? own.Earlier(FromWire(now, left)) : own;
    }

    /// <summary>From the milliseconds that a caller says are left; 0 and less have passed already.</summary>
    public static Deadline FromWire(Moment now, long milliseconds) => milliseconds >= long.MaxValue / TimeSpan.TicksPerMillisecond
        ? None
        : After(now, new TimeSpan(Math.Max(0, milliseconds) * TimeSpan.TicksPerMillisecond));

    /// <summary>
    /// The milliseconds to tell the next hop, rounded down, so that it never believes in time that the caller does not have. Null: no deadline.
    /// </summary>
    public long? ToWire(Moment now) => IsNone ? null : Remaining(now).Ticks / TimeSpan.TicksPerMillisecond;

    public TimeSpan Remaining(Moment now) => IsNone ? TimeSpan.MaxValue : At > now ? At - now : TimeSpan.Zero;

    public bool HasPassed(Moment now) => now >= At && !IsNone;

    /// <summary>
    /// Whether work that starts at <paramref name="start"/> and takes <paramref name="expected"/> is done in time. Asked before queueing, before waiting
    /// for a connection, before a retry and before a hedge: what cannot be answered in time is not begun.
    /// </summary>
    public bool CanMeet(Moment start, TimeSpan expected) => IsNone || start + expected < At;

    public Deadline Earlier(Deadline other) => At <= other.At ? this : other;

    /// <summary>When an attempt that starts now has to end.</summary>
    public Deadline ForAttempt(Moment now, DeadlineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.AttemptTimeout is { } timeout ? Earlier(After(now, timeout)) : this;
    }
}
