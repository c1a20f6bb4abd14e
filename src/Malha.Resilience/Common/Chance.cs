using System.Numerics;

namespace Malha.Resilience;

/// <summary>
/// A seeded source of chance that many threads may share: SplitMix64 (Steele, Lea and Flood 2014), whose state is one counter, so that a draw is one
/// interlocked addition. Not for secrets. In a program the seed comes from the operating system; in a simulation from the run.
/// </summary>
public sealed class Chance(ulong seed)
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;
    private ulong _state = seed;

    /// <summary>64 evenly distributed bits.</summary>
    public ulong NextBits()
    {
        var z = Interlocked.Add(ref _state, GoldenGamma);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>Evenly distributed in [0, 1).</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Evenly distributed in [0, <paramref name="limit"/>); the bias of the multiplication is below 2⁻³².</summary>
    public int Next(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        return (int)(((NextBits() >> 32) * (ulong)limit) >> 32);
    }

    /// <summary>Evenly distributed between two durations.</summary>
    public TimeSpan Between(TimeSpan from, TimeSpan to) => from + new TimeSpan((long)(NextDouble() * (to - from).Ticks));

    /// <summary>A source of its own for one part of a run, so that a draw more in one part does not shift all the others.</summary>
    public Chance Fork() => new(BitOperations.RotateLeft(NextBits(), 31));
}
