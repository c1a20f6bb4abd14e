namespace Malha.Resilience;

/// <summary>
/// How many calls in flight are older than a threshold, without remembering each: they are counted by when they started, in slots of an eighth of the
/// threshold, and a slot whose youngest call has passed it becomes overdue. So a call is noticed between 1 and 1⅛ thresholds of age, never too early.
/// Not synchronized: its owner holds the lock.
/// </summary>
internal sealed class InFlightAges
{
    private const int SlotsPerThreshold = 8;
    private const int Slots = 16;

    private readonly int[] _started = new int[Slots];
    private long _slotTicks = 1;
    private long _oldest;

    public int Overdue { get; private set; }

    /// <summary>Forgets everybody in flight and takes a new threshold; later <see cref="End"/>s of theirs must not come here.</summary>
    public void Reset(TimeSpan threshold, Moment now)
    {
        Array.Clear(_started);
        Overdue = 0;
        _slotTicks = Math.Max(1, threshold.Ticks / SlotsPerThreshold);
        _oldest = FirstNotOverdue(now);
    }

    public void Advance(Moment now)
    {
        var first = FirstNotOverdue(now);
        if (first - _oldest >= Slots)
        {
            for (var i = 0; i < Slots; i++)
                MakeOverdue(i);
            _oldest = first;
            return;
        }

        for (; _oldest < first; _oldest++)
            MakeOverdue((int)(_oldest % Slots));
    }

    /// <summary>A thread that was held up between reading the clock and coming here may be overdue from the start; what counts is that it agrees with its end.</summary>
    public void Start(Moment now)
    {
        var slot = now.Ticks / _slotTicks;
        if (slot < _oldest)
            Overdue++;
        else
            _started[(int)(slot % Slots)]++;
    }

    public void End(Moment started)
    {
        var slot = started.Ticks / _slotTicks;
        if (slot < _oldest)
            Overdue--;
        else
            _started[(int)(slot % Slots)]--;
    }

    /// <summary>Slot s ends at (s + 1)·width, and its last call is overdue one threshold later.</summary>
    private long FirstNotOverdue(Moment now) => Math.Max(0, now.Ticks / _slotTicks - SlotsPerThreshold);

    private void MakeOverdue(int index)
    {
        Overdue += _started[index];
        _started[index] = 0;
    }
}
