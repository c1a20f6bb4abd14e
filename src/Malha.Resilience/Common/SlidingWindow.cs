namespace Malha.Resilience;

/// <summary>
/// Counters over the last stretch of time, kept as a ring of equal slots: what is older than the length is forgotten, one slot at a time, when
/// someone looks. Not synchronized: its owner holds the lock.
/// </summary>
internal sealed class SlidingWindow
{
    private readonly int _counters;
    private readonly int _slots;
    private readonly long[] _counts;
    private readonly long[] _totals;
    private long _slotTicks;
    private long _current;

    public SlidingWindow(int counters, int slots, TimeSpan length)
    {
        _counters = counters;
        _slots = slots;
        _counts = new long[counters * slots];
        _totals = new long[counters];
        _slotTicks = SlotTicks(length, slots);
    }

    public long this[int counter] => _totals[counter];

    public void Add(int counter, long amount)
    {
        _counts[(int)(_current % _slots) * _counters + counter] += amount;
        _totals[counter] += amount;
    }

    /// <summary>Moves to the slot of <paramref name="now"/>; to be called before reading and adding. Time that seems to go back stays put.</summary>
    public void Advance(Moment now)
    {
        var slot = now.Ticks / _slotTicks;
        if (slot <= _current)
            return;

        if (slot - _current >= _slots)
        {
            Clear();
            _current = slot;
            return;
        }

        while (_current < slot)
        {
            _current++;
            var start = (int)(_current % _slots) * _counters;
            for (var counter = 0; counter < _counters; counter++)
            {
                _totals[counter] -= _counts[start + counter];
                _counts[start + counter] = 0;
            }
        }
    }

    public void Clear()
    {
        Array.Clear(_counts);
        Array.Clear(_totals);
    }

    /// <summary>A new length starts empty, since old slots would be of another width; the same length keeps everything.</summary>
    public void Resize(TimeSpan length, Moment now)
    {
        var ticks = SlotTicks(length, _slots);
        if (ticks == _slotTicks)
            return;

        _slotTicks = ticks;
        Clear();
        _current = now.Ticks / _slotTicks;
    }

    private static long SlotTicks(TimeSpan length, int slots) => Math.Max(1, length.Ticks / slots);
}
