using System.Runtime.CompilerServices;

namespace Malha.Proxy.Balancing;

/// <summary>
/// What the balancer knows of an endpoint: calls in flight, how long answers take, and how many calls fail. Updated from any thread without a lock.
/// </summary>
/// <remarks>
/// The latency is a peak EWMA (Finagle's PeakEwma): a slower answer counts at once and in full, a faster one as the time since the last answer
/// weighs against the decay time. A failure never makes it faster, however quickly it came. The share of failures is an EWMA over calls. Both are forgotten after a
/// silence of one decay time: an endpoint that got nothing for so long is asked again, and neither is one that rested taken for a fast one.
/// Latencies run from the attempt to the answer's head; times are milliseconds of any steady clock.
/// </remarks>
internal sealed class EndpointLoad
{
    /// <summary>The decay time of Finagle's and Linkerd's averages.</summary>
    public const int DecayMs = 10_000;

    /// <summary>What one call weighs in the share of failures: half of it is known after seven calls, 90 % after 22.</summary>
    private const float FailureStep = 0.1f;

    /// <summary>How far one thread's time may be behind another's.</summary>
    private const int AheadMs = 1_000;

    /// <summary>A share that makes no difference any more.</summary>
    private const float LeastShare = 0.001f;

    /// <summary>Faster than any answer; zero is kept for what is not known.</summary>
    private const float LeastLatencyMs = 0.001f;

    private int _inFlight;
    private float _weight;
    private float _share = 1;
    private volatile bool _isDraining;
    private Average _latency;
    private Average _failures;

    public EndpointLoad(float weight = 1) => _weight = weight;

    /// <summary>Its part of the traffic now, relative to the others': the full weight, less while it warms up, 0 when it gets nothing.</summary>
    public float Weight
    {
        get => _isDraining ? 0 : Volatile.Read(ref _weight) * Volatile.Read(ref _share);
        set => Volatile.Write(ref _weight, value);
    }

    /// <summary>What it has of the full weight: 1, less while it warms up, 0 when it is not to be used.</summary>
    public float Share
    {
        get => Volatile.Read(ref _share);
        set => Volatile.Write(ref _share, value);
    }

    /// <summary>The configured weight.</summary>
    public float FullWeight => Volatile.Read(ref _weight);

    /// <summary>Whether an operator lets it run empty: it gets nothing new, whatever its weight and share.</summary>
    public bool IsDraining
    {
        get => _isDraining;
        set => _isDraining = value;
    }

    /// <summary>Calls begun and not ended: to the end of the answer's body.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public void Started() => Interlocked.Increment(ref _inFlight);

    public void Finished() => Interlocked.Decrement(ref _inFlight);

    /// <summary>An answer that counts as a success has begun.</summary>
    public void Answered(long nowMs, TimeSpan latency)
    {
        Observe(nowMs, latency);
        // As a rule there is nothing to take back.
        if (FailureShare(nowMs) > LeastShare)
            _failures.Update(nowMs, static (failures, _, isKnown, _) => isKnown ? failures - (FailureStep * failures) : 0, 0);
    }

    /// <summary>The call failed, or was answered with what counts as a failure. A failed connection counts too.</summary>
    public void Failed(long nowMs, TimeSpan latency)
    {
        if (_latency.TryRead(nowMs, out var known) && latency.TotalMilliseconds > known)
            Observe(nowMs, latency);
        _failures.Update(nowMs, static (failures, _, isKnown, _) => isKnown ? failures + (FailureStep * (1 - failures)) : FailureStep, 0);
    }

    /// <summary>The latency in milliseconds; false when it is not known, or not any more.</summary>
    public bool TryGetLatency(long nowMs, out float latencyMs) => _latency.TryRead(nowMs, out latencyMs);

    /// <summary>The share of calls that fail, from 0 to 1.</summary>
    public float FailureShare(long nowMs) => _failures.TryRead(nowMs, out var share) ? share : 0;

    private void Observe(long nowMs, TimeSpan latency) =>
        _latency.Update(nowMs, static (peak, sinceMs, isKnown, sample) =>
            !isKnown || sample >= peak ? sample : peak + ((1 - MathF.Exp(-sinceMs / (float)DecayMs)) * (sample - peak)),
            MathF.Max((float)latency.TotalMilliseconds, LeastLatencyMs));

    /// <summary>A value and when it was last touched, in one word, so that both change together.</summary>
    private struct Average
    {
        // The upper half is the value's bits, the lower the milliseconds, which may wrap around. Zero: nothing is known.
        private ulong _word;

        public readonly bool TryRead(long nowMs, out float value)
        {
            var word = Volatile.Read(in _word);
            value = BitConverter.UInt32BitsToSingle((uint)(word >> 32));
            return IsKnown(word, nowMs);
        }

        public void Update(long nowMs, Func<float, int, bool, float, float> next, float sample)
        {
            while (true)
            {
                var word = Volatile.Read(in _word);
                var isKnown = IsKnown(word, nowMs);
                var age = Math.Max(0, Age(word, nowMs));
                var value = next(BitConverter.UInt32BitsToSingle((uint)(word >> 32)), age, isKnown, sample);
                var changed = Pack(value, isKnown && age == 0 ? (uint)word : (uint)nowMs);
                if (changed == word || Interlocked.CompareExchange(ref _word, changed, word) == word)
                    return;
            }
        }

        // Threads may come in another order than their clocks say; a time that lies far ahead is one from before the milliseconds wrapped around.
        private static bool IsKnown(ulong word, long nowMs) => word != 0 && Age(word, nowMs) is > -AheadMs and < DecayMs;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static int Age(ulong word, long nowMs) => (int)((uint)nowMs - (uint)word);

        // The least positive float stands for zero, which would be nothing at all at time zero.
        private static ulong Pack(float value, uint time) => ((ulong)Math.Max(BitConverter.SingleToUInt32Bits(value), 1) << 32) | time;
    }
}
