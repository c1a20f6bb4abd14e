using Malha.Proxy.Upstream;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of what Malha asked endpoints for: <c>http.client.*</c>, and their connections.</summary>
internal static class ClientMetricsReader
{
    public static IEnumerable<MetricFamily> Read(IEnumerable<ServiceModel> all)
    {
        // No request goes to a data store.
        var services = all.Where(service => !service.Config.IsStore).ToArray();
        var endpoints = services.SelectMany(service => service.Endpoints, (service, endpoint) => (Labels: MetricLabels.Of(service, endpoint).ToArray(), Endpoint: endpoint)).ToArray();
        var durations = endpoints.SelectMany(one => Durations(one.Labels, one.Endpoint.Metrics.Attempts)).ToArray();

        yield return new("http.client.request.duration", MetricKind.Histogram, "s", "Time from an attempt's beginning to the head of its answer, or to its failure.", durations);
        yield return new("http.client.active_requests", MetricKind.Gauge, "{request}", "Attempts under way.",
            [.. endpoints.Select(one => new MetricPoint(one.Labels, one.Endpoint.InFlight))]);
        yield return new("http.client.open_connections", MetricKind.Gauge, "{connection}", "Connections to an endpoint.",
            [.. endpoints.SelectMany(one => Connections(one.Labels, one.Endpoint))]);
        yield return new("malha.endpoint.pending_requests", MetricKind.Gauge, "{request}", "Requests that wait for a connection.",
            [.. endpoints.Select(one => new MetricPoint(one.Labels, one.Endpoint.Pending))]);
        yield return new("malha.endpoint.connects", MetricKind.Counter, "{connection}", "Connections asked for, by what came of it.",
            [.. endpoints.SelectMany(one => Connects(one.Labels, one.Endpoint.Metrics))]);
        yield return new("malha.retries", MetricKind.Counter, "{attempt}", "Attempts that repeated an earlier one.",
            [.. endpoints.Select(one => new MetricPoint(one.Labels, one.Endpoint.Metrics.Retries))]);
        yield return new("malha.service.streams", MetricKind.Gauge, "{stream}", "Upgraded connections and event streams under way.",
            [.. services.Select(service => new MetricPoint([new("malha.service", service.Config.Name)], service.State.Streams))]);
    }

    private static IEnumerable<MetricPoint> Durations(MetricLabel[] labels, SeriesTable attempts)
    {
        foreach (var series in attempts.All().Select(one => one.Read()))
            yield return new MetricPoint([.. labels, .. MetricLabels.Of(series.Key)], Durations: series);
        if (attempts.Overflow?.Read() is { } overflow)
            yield return new MetricPoint([.. labels, new("otel.metric.overflow", "true")], Durations: overflow);
    }

    // An attempt holds a connection, opens one or waits for one; a connection is held, being opened or idle. They are read one after the
    // other, so that a difference may be off by what happens meanwhile.
    private static MetricPoint[] Connections(MetricLabel[] labels, EndpointState endpoint)
    {
        var connecting = endpoint.Metrics.Connecting;
        var active = Math.Max(0, endpoint.InFlight - connecting - endpoint.Pending);
        var idle = Math.Max(0, endpoint.Open - connecting - active);
        return
        [
            new([.. labels, new("http.connection.state", "active")], active),
            new([.. labels, new("http.connection.state", "idle")], idle),
        ];
    }

    private static IEnumerable<MetricPoint> Connects(MetricLabel[] labels, EndpointMetrics metrics) =>
        Enum.GetValues<ConnectOutcome>().Select(outcome => new MetricPoint([.. labels, new("outcome", NameOf(outcome))], metrics.Connects(outcome)));

    private static string NameOf(ConnectOutcome outcome) => outcome switch
    {
        ConnectOutcome.Connected => "connected",
        ConnectOutcome.Refused => "refused",
        ConnectOutcome.TimedOut => "timeout",
        ConnectOutcome.Overflow => "overflow",
        ConnectOutcome.Untrusted => "untrusted",
        ConnectOutcome.OutOfFiles => "out-of-files",
        _ => "cancelled",
    };
}
