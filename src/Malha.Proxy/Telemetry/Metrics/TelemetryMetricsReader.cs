using Malha.Proxy.Telemetry.Otlp;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of what is sent to a collector.</summary>
internal static class TelemetryMetricsReader
{
    public static IEnumerable<MetricFamily> Read(TelemetryExport export)
    {
        yield return new("malha.telemetry.waiting", MetricKind.Gauge, "{request}", "Traced requests that wait to be sent.", [new MetricPoint([], export.Waiting)]);
        yield return new("malha.telemetry.overflow", MetricKind.Counter, "{request}", "Traced requests whose spans were dropped, since too many waited already.", [new MetricPoint([], export.Overflow)]);
        yield return new("malha.telemetry.exported", MetricKind.Counter, "{item}", "Spans and data points that a collector has taken, or that were given up.",
        [
            new([new("signal", "traces"), new("result", "sent")], export.Counts.Spans.Sent),
            new([new("signal", "traces"), new("result", "dropped")], export.Counts.Spans.Dropped),
            new([new("signal", "metrics"), new("result", "sent")], export.Counts.Points.Sent),
            new([new("signal", "metrics"), new("result", "dropped")], export.Counts.Points.Dropped),
        ]);
    }
}
