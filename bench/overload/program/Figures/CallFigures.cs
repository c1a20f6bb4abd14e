namespace Malha.Bench.Overload.Figures;

/// <summary>How a call ended for the one who made it.</summary>
internal enum Outcome : byte
{
    /// <summary>No answer when the run ended.</summary>
    Open,

    /// <summary>200 within the deadline, from the moment at which the call was to be sent.</summary>
    Good,

    /// <summary>200, but too late: a retry's answer.</summary>
    Late,

    /// <summary>Another status than 200.</summary>
    Refused,

    /// <summary>Given up at the deadline.</summary>
    TimedOut,

    /// <summary>No connection, or one that broke.</summary>
    Failed,
}

/// <summary>One call as it went. Times are nanoseconds from the beginning of the run.</summary>
/// <param name="IntendedAt">When it was to be sent.</param>
/// <param name="Outcome">How its last attempt ended.</param>
/// <param name="Status">The last answer's status; 0: none.</param>
/// <param name="Latency">Good and late: from the intended moment to the answer. Refused: from its last attempt to the answer.</param>
internal readonly record struct CallRecord(long IntendedAt, Outcome Outcome, int Status, long Latency);

/// <summary>Calls of one second.</summary>
internal sealed record SecondFigures(int Second, int Sent, int Good, int Refused, int Failed);

/// <summary>Calls of a window in sums. Goodput is the share of what could be served: of what was sent, or of the capacity where that is less.</summary>
internal sealed record CallFigures(
    int Sent, int Good, int Late, int Refused, int TimedOut, int Failed, double GoodShare, double? Goodput,
    double? GoodP50Ms, double? GoodP99Ms, double? RefusedP50Ms, double? RefusedP99Ms, IReadOnlyDictionary<int, int> Statuses)
{
    private const double NanosecondsPerMs = 1e6;

    /// <param name="calls">Those of the window and no others.</param>
    /// <param name="capacityPerSecond">What the service can serve; null: not known, no goodput.</param>
    /// <param name="seconds">The window's length.</param>
    public static CallFigures Of(IReadOnlyCollection<CallRecord> calls, double? capacityPerSecond, double seconds)
    {
        int Count(Outcome outcome) => calls.Count(call => call.Outcome == outcome);
        long[] Latencies(Outcome outcome) => [.. calls.Where(call => call.Outcome == outcome).Select(call => call.Latency)];

        var good = Count(Outcome.Good);
        var servable = capacityPerSecond is { } capacity ? Math.Min(calls.Count, capacity * seconds) : (double?)null;
        var goodLatencies = Latencies(Outcome.Good);
        var refusedLatencies = Latencies(Outcome.Refused);
        return new CallFigures(
            calls.Count, good, Count(Outcome.Late), Count(Outcome.Refused), Count(Outcome.TimedOut) + Count(Outcome.Open), Count(Outcome.Failed),
            calls.Count == 0 ? 0 : (double)good / calls.Count,
            servable > 0 ? good / servable : null,
            Percentile.Of(goodLatencies, 0.5) / NanosecondsPerMs, Percentile.Of(goodLatencies, 0.99) / NanosecondsPerMs,
            Percentile.Of(refusedLatencies, 0.5) / NanosecondsPerMs, Percentile.Of(refusedLatencies, 0.99) / NanosecondsPerMs,
            calls.Where(call => call.Status != 0).CountBy(call => call.Status).ToDictionary(pair => pair.Key, pair => pair.Value));
    }

    public static IReadOnlyList<SecondFigures> BySecond(IReadOnlyCollection<CallRecord> calls, int seconds)
    {
        var inSecond = calls.ToLookup(call => (int)(call.IntendedAt / PreciseTime.Second));
        return [.. Enumerable.Range(0, seconds).Select(second => new SecondFigures(
            second,
            inSecond[second].Count(),
            inSecond[second].Count(call => call.Outcome == Outcome.Good),
            inSecond[second].Count(call => call.Outcome == Outcome.Refused),
            inSecond[second].Count(call => call.Outcome is not (Outcome.Good or Outcome.Refused))))];
    }
}
