using Malha.Proxy.Http1;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of what clients asked for: <c>http.server.*</c> and what Malha refused.</summary>
internal static class ServerMetricsReader
{
    private static readonly MetricLabel Overflow = new("otel.metric.overflow", "true");

    public static IEnumerable<MetricFamily> Read(RequestMetrics requests, IReadOnlyCollection<RouteMetrics> routes)
    {
        var durations = new List<MetricPoint>();
        var refusals = new List<MetricPoint>();
        var bytesIn = new List<MetricPoint>();
        var bytesOut = new List<MetricPoint>();
        var overflow = new SeriesSnapshot(default, new long[DurationBuckets.Count], TimeSpan.Zero, 0, 0);
        foreach (var route in routes.Distinct().Prepend(requests.Unrouted))
        {
            var labels = MetricLabels.Of(route.Route).ToArray();
            var series = route.Answers.All().Select(one => one.Read()).ToArray();
            foreach (var one in series)
                durations.Add(new MetricPoint([.. labels, .. MetricLabels.Of(one.Key)], Durations: one));
            foreach (var kind in series.Where(one => one.Key.Failure != RefusalKind.None).GroupBy(one => one.Key.Failure))
                refusals.Add(new MetricPoint([.. labels, new("kind", RefusalNames.TextOf(kind.Key))], kind.Sum(one => one.Count)));
            if (route.Answers.Overflow?.Read() is { } beyond)
            {
                overflow = overflow.Plus(beyond);
                series = [.. series, beyond];
            }
            if (series.Length == 0)
                continue;
            bytesIn.Add(new MetricPoint(labels, series.Sum(one => one.BytesIn)));
            bytesOut.Add(new MetricPoint(labels, series.Sum(one => one.BytesOut)));
        }
        if (overflow.Count > 0)
            durations.Add(new MetricPoint([Overflow], Durations: overflow));

        yield return new("http.server.request.duration", MetricKind.Histogram, "s", "Time from a request's head to the end of its answer.", durations);
        yield return new("http.server.active_requests", MetricKind.Gauge, "{request}", "Requests under way.", Active(requests));
        yield return new("malha.refusals", MetricKind.Counter, "{request}", "Requests that Malha answered or ended itself, by reason.", refusals);
        yield return new("malha.request.body", MetricKind.Counter, "By", "Body bytes received from clients.", bytesIn);
        yield return new("malha.response.body", MetricKind.Counter, "By", "Body bytes sent to clients.", bytesOut);
    }

    private static List<MetricPoint> Active(RequestMetrics requests)
    {
        var points = new List<MetricPoint>();
        foreach (var method in Enum.GetValues<HttpMethodKind>())
        {
            foreach (var isTls in (bool[])[false, true])
            {
                var active = requests.Active(method, isTls);
                // A gauge that has been seen once should not vanish: GET stays, the rare ones come and go.
                if (active != 0 || (method == HttpMethodKind.Get && !isTls))
                    points.Add(new MetricPoint([MetricLabels.Method(method), MetricLabels.Scheme(isTls)], Math.Max(0, active)));
            }
        }
        return points;
    }
}
