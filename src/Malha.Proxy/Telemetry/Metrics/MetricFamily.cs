namespace Malha.Proxy.Telemetry.Metrics;

internal enum MetricKind : byte
{
    /// <summary>Only grows.</summary>
    Counter,

    /// <summary>What is now.</summary>
    Gauge,

    /// <summary>Durations in <see cref="DurationBuckets"/>.</summary>
    Histogram,
}

/// <summary>
/// One metric with its values, read for whoever shows them (Prometheus text, OTLP, the admin API): the names are OpenTelemetry's, and how
/// they are written is each format's own business.
/// </summary>
/// <param name="Name">With dots, such as <c>http.server.request.duration</c>.</param>
/// <param name="Kind">What the values mean.</param>
/// <param name="Unit">A UCUM unit: <c>s</c>, <c>By</c>, or <c>{request}</c> for a count of things.</param>
/// <param name="Description">One sentence.</param>
/// <param name="Points">The values.</param>
internal sealed record MetricFamily(string Name, MetricKind Kind, string Unit, string Description, IReadOnlyList<MetricPoint> Points);

/// <summary>One value.</summary>
/// <param name="Labels">With dots in their names.</param>
/// <param name="Value">Of a counter or gauge.</param>
/// <param name="Durations">Of a histogram.</param>
internal sealed record MetricPoint(MetricLabel[] Labels, double Value = 0, SeriesSnapshot? Durations = null);

internal readonly record struct MetricLabel(string Name, string Value);
