using System.Numerics;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>
/// Counters that several cores write at once exist once for each of them and are summed when they are read: two threads that run at the same
/// time then write to different cache lines. A thread that is moved in between still adds atomically, so no count is lost.
/// </summary>
internal static class Stripes
{
    /// <summary>Beyond eight, memory grows faster than contention falls.</summary>
    private const int Most = 8;

    public static readonly int Count = (int)Math.Min(Most, BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount));

    /// <summary>The stripe of the core that runs this thread now, from 0.</summary>
    public static int Current => Thread.GetCurrentProcessorId() & (Count - 1);
}
