namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>
/// The buckets of a duration histogram: those that OpenTelemetry's semantic conventions advise for <c>http.server.request.duration</c>
/// and <c>http.client.request.duration</c>. A bucket's bound belongs to it.
/// </summary>
internal static class DurationBuckets
{
    private static readonly double[] UpperBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    private static readonly long[] UpperTicks = [.. UpperBounds.Select(seconds => (long)Math.Round(seconds * TimeSpan.TicksPerSecond))];

    /// <summary>With the one that has no upper bound.</summary>
    public static int Count => UpperBounds.Length + 1;

    /// <summary>Upper bounds in seconds, without the infinite one.</summary>
    public static ReadOnlySpan<double> Bounds => UpperBounds;

    /// <summary>The bucket of a duration. Most requests end in the first.</summary>
    public static int Of(TimeSpan duration)
    {
        var bounds = UpperTicks;
        var bucket = 0;
        while (bucket < bounds.Length && duration.Ticks > bounds[bucket])
            bucket++;
        return bucket;
    }
}
