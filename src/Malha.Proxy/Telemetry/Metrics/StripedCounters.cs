namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>A few counters that are written together. Adding costs one atomic instruction and allocates nothing; reading sums the stripes.</summary>
internal sealed class StripedCounters
{
    /// <summary>Two cache lines apart, since processors fetch lines in pairs.</summary>
    private const int Padding = 16;

    private readonly long[] _cells;
    private readonly int _stride;

    public StripedCounters(int count)
    {
        _stride = count + Padding;
        _cells = new long[_stride * Stripes.Count];
        Count = count;
    }

    public int Count { get; }

    public void Add(int counter, long amount) => Interlocked.Add(ref _cells[(Stripes.Current * _stride) + counter], amount);

    public long Read(int counter)
    {
        var sum = 0L;
        for (var at = counter; at < _cells.Length; at += _stride)
            sum += Interlocked.Read(ref _cells[at]);
        return sum;
    }
}
