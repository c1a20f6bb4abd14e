namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>One time series: how many exchanges of one kind there were, how long they took, and what they carried.</summary>
internal sealed class ExchangeSeries(SeriesKey key)
{
    // The cells of a stripe: the buckets, then these. The stride keeps stripes on cache lines of their own wherever the array begins.
    private const int Stride = 32;
    private static readonly int SumAt = DurationBuckets.Count;
    private static readonly int BytesInAt = SumAt + 1;
    private static readonly int BytesOutAt = SumAt + 2;

    private readonly long[] _cells = new long[Stride * Stripes.Count];

    public SeriesKey Key { get; } = key;

    public void Record(TimeSpan duration, long bytesIn, long bytesOut)
    {
        var cells = _cells.AsSpan(Stripes.Current * Stride, Stride);
        Interlocked.Increment(ref cells[DurationBuckets.Of(duration)]);
        Interlocked.Add(ref cells[SumAt], duration.Ticks);
        if (bytesIn > 0)
            Interlocked.Add(ref cells[BytesInAt], bytesIn);
        if (bytesOut > 0)
            Interlocked.Add(ref cells[BytesOutAt], bytesOut);
    }

    public SeriesSnapshot Read()
    {
        var buckets = new long[DurationBuckets.Count];
        long sum = 0, bytesIn = 0, bytesOut = 0;
        for (var start = 0; start < _cells.Length; start += Stride)
        {
            for (var bucket = 0; bucket < buckets.Length; bucket++)
                buckets[bucket] += Interlocked.Read(ref _cells[start + bucket]);
            sum += Interlocked.Read(ref _cells[start + SumAt]);
            bytesIn += Interlocked.Read(ref _cells[start + BytesInAt]);
            bytesOut += Interlocked.Read(ref _cells[start + BytesOutAt]);
        }
        return new SeriesSnapshot(Key, buckets, TimeSpan.FromTicks(sum), bytesIn, bytesOut);
    }
}

/// <summary>What a series held at one time.</summary>
/// <param name="Key">What it counts.</param>
/// <param name="Buckets">Exchanges by <see cref="DurationBuckets"/>, not cumulative.</param>
/// <param name="Sum">Of all durations.</param>
/// <param name="BytesIn">Body bytes of the requests.</param>
/// <param name="BytesOut">Body bytes of the answers.</param>
internal sealed record SeriesSnapshot(SeriesKey Key, long[] Buckets, TimeSpan Sum, long BytesIn, long BytesOut)
{
    public long Count => Buckets.Sum();

    public SeriesSnapshot Plus(SeriesSnapshot other) =>
        new(Key, [.. Buckets.Zip(other.Buckets, (mine, its) => mine + its)], Sum + other.Sum, BytesIn + other.BytesIn, BytesOut + other.BytesOut);
}
