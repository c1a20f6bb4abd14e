namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>
/// The series of one route or endpoint. They come into being as their kinds of exchange do; finding one takes no lock and allocates nothing.
/// </summary>
internal sealed class SeriesTable(SeriesBudget budget)
{
    private const int FirstSize = 8;

    private readonly Lock _lock = new();
    private ExchangeSeries?[] _slots = new ExchangeSeries?[FirstSize];
    private ExchangeSeries? _overflow;
    private int _count;
    private bool _retired;

    /// <summary>What the budget had no series for, whatever its kind; null while that has not happened.</summary>
    public ExchangeSeries? Overflow => Volatile.Read(ref _overflow);

    public ExchangeSeries Of(SeriesKey key) => Find(Volatile.Read(ref _slots), key) ?? Add(key);

    public IEnumerable<ExchangeSeries> All() => Volatile.Read(ref _slots).OfType<ExchangeSeries>();

    /// <summary>Gives its part of the budget back. Exchanges that are still under way may record here, into what nobody reads.</summary>
    public void Retire()
    {
        lock (_lock)
        {
            budget.Give(_count);
            _count = 0;
            _retired = true;
        }
    }

    // Open addressing with linear probing; the table is at most half full, so that a free slot ends every search.
    private static ExchangeSeries? Find(ExchangeSeries?[] slots, SeriesKey key)
    {
        for (var at = Slot(slots, key); ; at = (at + 1) & (slots.Length - 1))
        {
            var series = Volatile.Read(ref slots[at]);
            if (series is null || series.Key == key)
                return series;
        }
    }

    private static int Slot(ExchangeSeries?[] slots, SeriesKey key) => (int)(key.Hash >> 16) & (slots.Length - 1);

    private ExchangeSeries Add(SeriesKey key)
    {
        lock (_lock)
        {
            if (Find(_slots, key) is { } other)
                return other;
            if (_retired || !budget.TryTake())
                return _overflow ??= new ExchangeSeries(default);
            if ((_count + 1) * 2 > _slots.Length)
                Grow();
            var series = new ExchangeSeries(key);
            Put(_slots, series);
            _count++;
            return series;
        }
    }

    private void Grow()
    {
        var larger = new ExchangeSeries?[_slots.Length * 2];
        foreach (var series in _slots)
        {
            if (series is not null)
                Put(larger, series);
        }
        Volatile.Write(ref _slots, larger);
    }

    private static void Put(ExchangeSeries?[] slots, ExchangeSeries series)
    {
        var at = Slot(slots, series.Key);
        while (slots[at] is not null)
            at = (at + 1) & (slots.Length - 1);
        Volatile.Write(ref slots[at], series);
    }
}

/// <summary>
/// How many series there may be. What callers send (methods, versions) and endpoints answer multiplies them; beyond the limit exchanges are
/// still counted, but no longer told apart, as OpenTelemetry's cardinality limit does it.
/// </summary>
internal sealed class SeriesBudget(int limit)
{
    private int _taken;

    public int Taken => Volatile.Read(ref _taken);

    public bool TryTake()
    {
        if (Interlocked.Increment(ref _taken) <= limit)
            return true;
        Interlocked.Decrement(ref _taken);
        return false;
    }

    public void Give(int count) => Interlocked.Add(ref _taken, -count);
}
