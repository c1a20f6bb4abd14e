using System.Numerics;

namespace Malha.Resilience;

/// <summary>
/// Quantiles of recent latencies from two generations of counts in logarithmic buckets (eight to a doubling, so within 9 %): the older one is forgotten
/// every 30 s. Lock-free; a sample that falls between two generations may be lost.
/// </summary>
internal sealed class LatencyQuantile
{
    private const int PerDoubling = 8;
    private const int Buckets = 44 * PerDoubling;
    private const int SamplesAtLeast = 20;
    private static readonly long Generation = TimeSpan.FromSeconds(30).Ticks;

    private readonly int[][] _counts = [new int[Buckets], new int[Buckets]];
    private long _current;

    public void Add(TimeSpan latency, Moment now)
    {
        Interlocked.Increment(ref Advance(now)[Bucket(Math.Max(1, latency.Ticks))]);
    }

    /// <summary>Null while there are too few to say.</summary>
    public TimeSpan? Quantile(double q, Moment now)
    {
        Advance(now);
        var total = 0;
        for (var i = 0; i < Buckets; i++)
            total += _counts[0][i] + _counts[1][i];
        if (total < SamplesAtLeast)
            return null;

        var left = (long)Math.Ceiling(q * total);
        for (var i = 0; i < Buckets; i++)
        {
            left -= _counts[0][i] + _counts[1][i];
            if (left <= 0)
                return new TimeSpan(UpperEdge(i));
        }

        return new TimeSpan(UpperEdge(Buckets - 1));
    }

    private static int Bucket(long ticks)
    {
        var doubling = BitOperations.Log2((ulong)ticks);
        var part = doubling >= 3 ? (int)((ticks >> (doubling - 3)) & 7) : (int)((ticks << (3 - doubling)) & 7);
        return Math.Min(doubling * PerDoubling + part, Buckets - 1);
    }

    private static long UpperEdge(int bucket) => (long)((1 + (bucket % PerDoubling + 1) / (double)PerDoubling) * (1L << (bucket / PerDoubling)));

    private int[] Advance(Moment now)
    {
        var generation = now.Ticks / Generation;
        var current = Volatile.Read(ref _current);
        if (generation > current && Interlocked.CompareExchange(ref _current, generation, current) == current)
        {
            Array.Clear(_counts[generation & 1]);
            if (generation > current + 1)
                Array.Clear(_counts[(generation + 1) & 1]);
        }

        return _counts[generation & 1];
    }
}
