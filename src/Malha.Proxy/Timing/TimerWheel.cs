namespace Malha.Proxy.Timing;

/// <summary>
/// One coarse wheel for all timeouts of the data plane: a tick of 10 ms. Deadlines are never met early, and at most two ticks late: one
/// for rounding up to a slot, and one until the timer calls.
/// </summary>
/// <remarks>
/// A hashed wheel: an entry lies in the slot of the tick at which the wheel must look at it. Entries due beyond one turn are looked at once
/// a turn and put back. The wheel runs until it is disposed, which is after the last connection has ended: a drain needs its timeouts too.
/// </remarks>
internal sealed class TimerWheel : IDisposable
{
    public const int TickMs = 10;

    private const int Slots = 1024;

    private readonly TimerEntry?[] _slots = new TimerEntry?[Slots];
    private readonly Lock _lock = new();
    private readonly List<TimerEntry> _expired = [];
    private readonly TimeProvider _time;
    private readonly long _origin;
    private readonly ITimer _timer;
    private long _now;
    private long _lastTick;
    private int _ticking;

    public TimerWheel(TimeProvider time)
    {
        _time = time;
        _origin = time.GetTimestamp();
        _timer = time.CreateTimer(static wheel => ((TimerWheel)wheel!).Tick(), this, TimeSpan.FromMilliseconds(TickMs), TimeSpan.FromMilliseconds(TickMs));
    }

    /// <summary>Milliseconds since the wheel was made, as of the last tick.</summary>
    public long NowMs => Volatile.Read(ref _now);

    /// <summary>How long ago the last tick was, in milliseconds: more than a few ticks means that deadlines are late.</summary>
    public long LagMs => (long)_time.GetElapsedTime(_origin).TotalMilliseconds - NowMs;

    /// <summary>The deadline that lies <paramref name="timeout"/> ahead; infinite timeouts give none.</summary>
    public long After(TimeSpan timeout) =>
        timeout == Timeout.InfiniteTimeSpan ? TimerEntry.None : NowMs + TickMs + (long)timeout.TotalMilliseconds;

    internal void Schedule(TimerEntry entry)
    {
        lock (_lock)
        {
            var deadline = entry.Deadline;
            if (deadline >= entry.ScheduledFor)
                return;
            Unlink(entry);
            Link(entry, deadline);
        }
    }

    /// <summary>Forgets the entry, so that the wheel keeps nothing alive of what has ended.</summary>
    public void Remove(TimerEntry entry)
    {
        entry.Disarm();
        lock (_lock)
            Unlink(entry);
    }

    public void Dispose() => _timer.Dispose();

    private void Tick()
    {
        // Timer callbacks may overlap when one is late; the one under way does the work of both.
        if (Interlocked.Exchange(ref _ticking, 1) != 0)
            return;

        var now = (long)_time.GetElapsedTime(_origin).TotalMilliseconds;
        Volatile.Write(ref _now, now);
        lock (_lock)
        {
            var tick = now / TickMs;
            var first = Math.Max(_lastTick + 1, tick - Slots + 1);
            for (var passed = first; passed <= tick; passed++)
                Sweep((int)(passed % Slots), now);
            _lastTick = tick;
        }

        foreach (var entry in _expired)
            entry.OnDeadline();
        _expired.Clear();
        Volatile.Write(ref _ticking, 0);
    }

    private void Sweep(int slot, long now)
    {
        var entry = _slots[slot];
        while (entry is not null)
        {
            var next = entry.Next;
            Unlink(entry);
            // The counterpart of the fence in TimerEntry.Arm.
            Interlocked.MemoryBarrier();
            if (entry.TryExpire(now))
                _expired.Add(entry);
            else if (entry.Deadline is var deadline and not TimerEntry.None)
                Link(entry, deadline);
            entry = next;
        }
    }

    private void Link(TimerEntry entry, long deadline)
    {
        // Never into the slot being swept, never beyond one turn.
        var earliest = Math.Max(_lastTick, NowMs / TickMs) + 1;
        var tick = Math.Clamp((deadline + TickMs - 1) / TickMs, earliest, earliest + Slots - 2);
        var slot = (int)(tick % Slots);
        entry.Slot = slot;
        entry.Previous = null;
        entry.Next = _slots[slot];
        if (entry.Next is not null)
            entry.Next.Previous = entry;
        _slots[slot] = entry;
        Volatile.Write(ref entry.ScheduledFor, tick * TickMs);
    }

    private void Unlink(TimerEntry entry)
    {
        if (entry.Slot < 0)
            return;

        if (entry.Previous is null)
            _slots[entry.Slot] = entry.Next;
        else
            entry.Previous.Next = entry.Next;
        if (entry.Next is not null)
            entry.Next.Previous = entry.Previous;
        entry.Slot = -1;
        entry.Previous = null;
        entry.Next = null;
        Volatile.Write(ref entry.ScheduledFor, TimerEntry.None);
    }
}
