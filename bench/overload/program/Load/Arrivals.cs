namespace Malha.Bench.Overload.Load;

/// <summary>When calls are to be sent, whatever becomes of those before: an open loop.</summary>
internal static class Arrivals
{
    /// <summary>Nanoseconds from the beginning of the run, and which stream; in order of time, the same for the same seed.</summary>
    public static IReadOnlyList<(long At, int Stream)> Of(Plan plan)
    {
        var all = new List<(long At, int Stream)>();
        for (var stream = 0; stream < plan.Streams.Count; stream++)
        {
            // A seed of its own: a second stream does not change the first one's arrivals.
            var random = new Random(plan.Seed * 1000 + stream);
            foreach (var at in OfStream(plan.Streams[stream], plan.Seconds, random))
                all.Add(((long)(at * PreciseTime.Second), stream));
        }
        return [.. all.OrderBy(arrival => arrival.At)];
    }

    private static IEnumerable<double> OfStream(StreamPlan stream, double end, Random random)
    {
        for (var i = 0; i < stream.Rates.Count; i++)
        {
            var (from, perSecond) = stream.Rates[i];
            var to = i + 1 < stream.Rates.Count ? Math.Min(stream.Rates[i + 1].From, end) : end;
            if (perSecond <= 0)
                continue;
            // Poisson arrivals have no memory, so each stretch may begin afresh.
            for (var at = from + Gap(random, perSecond); at < to; at += Gap(random, perSecond))
                yield return at;
        }
        foreach (var burst in stream.Bursts)
        {
            for (var call = 0; call < burst.Calls; call++)
                yield return burst.At;
        }
    }

    private static double Gap(Random random, double perSecond) => -Math.Log(1 - random.NextDouble()) / perSecond;
}
