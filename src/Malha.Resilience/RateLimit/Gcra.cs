namespace Malha.Resilience;

/// <summary>What a rate limit answers: the figures that a refusal, and a RateLimit header, tell the caller.</summary>
public readonly record struct RateLimitDecision
{
    public bool Allowed { get; init; }

    /// <summary>Requests that could follow at once.</summary>
    public long Remaining { get; init; }

    /// <summary>How long to wait until this very request would be allowed; <see cref="Timeout.InfiniteTimeSpan"/> when it costs more than the burst.</summary>
    public TimeSpan RetryAfter { get; init; }

    /// <summary>How long until the whole burst is there again, if nothing more is asked.</summary>
    public TimeSpan ResetAfter { get; init; }

    /// <summary>Which of several limits decided; -1 when none refused and there was none to report.</summary>
    public int Index { get; init; }
}

/// <summary>
/// The generic cell rate algorithm (ITU-T I.371), whose whole state is the theoretical arrival time <c>tat</c> in one 64-bit word, here in nanoseconds.
/// With T = period/limit and τ = T·burst, a request that costs n moves the word to <c>tat' = max(now, tat) + n·T</c> and is allowed while
/// <c>tat' − now ≤ τ</c>; remaining = ⌊(τ − (tat' − now))/T⌋, retry after = tat' − τ − now. A word in the past is the same as none: nothing has to be
/// cleaned up by a timer. New settings apply to old words at once.
/// </summary>
public sealed class Gcra
{
    private const long NanosecondsPerTick = 100;

    public Gcra(RateLimitOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        Emission = Math.Max(1, (long)Math.Round(options.Period.Ticks * (double)NanosecondsPerTick / options.Limit));
        Burst = Math.Max(1, (long)(options.Burst ?? Math.Max(1, Math.Floor(options.Limit))));
        Tolerance = Emission * Burst;
    }

    public RateLimitOptions Options { get; }

    public long Burst { get; }

    /// <summary>T: after so long another request is allowed.</summary>
    public TimeSpan EmissionTime => Duration(Emission);

    /// <summary>T, in nanoseconds.</summary>
    internal long Emission { get; }

    /// <summary>τ, in nanoseconds.</summary>
    internal long Tolerance { get; }

    /// <summary>Takes <paramref name="cost"/> from the word if it is there; lock-free.</summary>
    public RateLimitDecision TryTake(ref long word, Moment now, int cost = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(cost);
        while (true)
        {
            var tat = Volatile.Read(ref word);
            var decision = Judge(tat, now, cost, out var next);
            if (next == tat || Interlocked.CompareExchange(ref word, next, tat) == tat)
                return decision;
        }
    }

    /// <summary>What <see cref="TryTake"/> would answer for nothing taken: the figures for a header.</summary>
    public RateLimitDecision Peek(long word, Moment now) => Judge(word, now, 0, out _);

    /// <summary>Puts back what another limit's refusal made useless.</summary>
    public void GiveBack(ref long word, int cost) => Interlocked.Add(ref word, -cost * Emission);

    /// <summary>All of several limits or none: what the first ones gave is put back when a later one refuses. Reports the tightest.</summary>
    public static RateLimitDecision TryTakeAll(ReadOnlySpan<Gcra> limits, Span<long> words, Moment now, int cost = 1)
    {
        var tightest = new RateLimitDecision { Allowed = true, Remaining = long.MaxValue, Index = -1 };
        for (var i = 0; i < limits.Length; i++)
        {
            var decision = limits[i].TryTake(ref words[i], now, cost) with { Index = i };
            if (!decision.Allowed)
            {
                for (var taken = 0; taken < i; taken++)
                    limits[taken].GiveBack(ref words[taken], cost);
                return decision;
            }

            if (decision.Remaining < tightest.Remaining)
                tightest = decision;
        }

        return tightest;
    }

    internal static long Nanoseconds(Moment now) => now.Ticks * NanosecondsPerTick;

    internal RateLimitDecision Judge(long tat, Moment now, int cost, out long next)
    {
        var time = Nanoseconds(now);
        // A word further ahead than a spent bucket is that of an earlier, slower limit: under this one the bucket is empty, and fills from now on.
        tat = Math.Min(tat, time + Tolerance);
        var from = Math.Max(time, tat);
        next = from + cost * Emission;
        if (next - time <= Tolerance)
        {
            return new RateLimitDecision
            {
                Allowed = true,
                Remaining = (Tolerance - (next - time)) / Emission,
                ResetAfter = Duration(next - time),
            };
        }

        var wait = next - Tolerance - time;
        next = tat;
        return new RateLimitDecision
        {
            Remaining = Math.Max(0, (Tolerance - (from - time)) / Emission),
            RetryAfter = cost > Burst ? Timeout.InfiniteTimeSpan : Duration(wait),
            ResetAfter = Duration(from - time),
        };
    }

    /// <summary>Rounded up: whoever waits this long is not refused for a rounding error.</summary>
    private static TimeSpan Duration(long nanoseconds) => new((nanoseconds + NanosecondsPerTick - 1) / NanosecondsPerTick);
}
