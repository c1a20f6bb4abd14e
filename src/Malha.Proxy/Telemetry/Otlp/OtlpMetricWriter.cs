using System.Globalization;
using Malha.Configuration;
using Malha.Proxy.Telemetry.Metrics;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>Writes what <c>/metrics</c> shows as an ExportMetricsServiceRequest: the same names with dots, cumulative since the gateway's start.</summary>
internal static class OtlpMetricWriter
{
    private const ulong Cumulative = 2;

    /// <returns>Data points written.</returns>
    public static int Write(ProtobufWriter to, TelemetryConfig config, IEnumerable<MetricFamily> families, DateTimeOffset start, DateTimeOffset now)
    {
        var points = 0;
        var resource = to.Begin(1);
        OtlpResource.Write(to, config);
        var scope = to.Begin(2);
        OtlpResource.WriteScope(to);
        foreach (var family in families)
        {
            if (family.Points.Count == 0)
                continue;
            var metric = to.Begin(2);
            to.Text(1, family.Name);
            to.Text(2, family.Description);
            to.Text(3, family.Unit);
            var data = to.Begin(family.Kind switch { MetricKind.Gauge => 5, MetricKind.Counter => 7, _ => 9 });
            foreach (var point in family.Points)
                WritePoint(to, family.Kind, point, OtlpResource.Nanoseconds(start), OtlpResource.Nanoseconds(now));
            if (family.Kind != MetricKind.Gauge)
                to.Varint(2, Cumulative);
            if (family.Kind == MetricKind.Counter)
                to.Varint(3, 1);
            to.End(data);
            to.End(metric);
            points += family.Points.Count;
        }
        to.End(scope);
        to.End(resource);
        return points;
    }

    private static void WritePoint(ProtobufWriter to, MetricKind kind, MetricPoint point, ulong start, ulong now)
    {
        var written = to.Begin(1);
        if (kind != MetricKind.Gauge)
            to.Fixed64(2, start);
        to.Fixed64(3, now);
        if (point.Durations is { } durations)
            WriteDurations(to, durations);
        else if (point.Value == Math.Floor(point.Value) && Math.Abs(point.Value) < 1L << 53)
            to.Fixed64(6, (ulong)(long)point.Value);
        else
            to.Double(4, point.Value);
        foreach (var label in point.Labels)
            WriteLabel(to, kind == MetricKind.Histogram ? 9 : 7, label);
        to.End(written);
    }

    private static void WriteDurations(ProtobufWriter to, SeriesSnapshot durations)
    {
        to.Fixed64(4, (ulong)durations.Count);
        to.Double(5, durations.Sum.TotalSeconds);
        // Repeated fixed values need not be packed for a reader to take them.
        foreach (var bucket in durations.Buckets)
            to.Fixed64(6, (ulong)bucket);
        foreach (var bound in DurationBuckets.Bounds)
            to.Double(7, bound);
    }

    // Numbers in the semantic conventions, texts in Prometheus.
    private static void WriteLabel(ProtobufWriter to, int field, MetricLabel label)
    {
        if (label.Name is "http.response.status_code" or "server.port" && long.TryParse(label.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            OtlpResource.Attribute(to, field, label.Name, number);
        else
            OtlpResource.Attribute(to, field, label.Name, label.Value);
    }
}
