using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>
/// Writes metrics as Prometheus text (exposition format 0.0.4). Names follow OpenTelemetry's mapping: dots become underscores, the unit becomes
/// a suffix, and counters end in <c>_total</c>.
/// </summary>
internal static class PrometheusWriter
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly string[] BoundTexts = [.. DurationBuckets.Bounds.ToArray().Select(bound => bound.ToString(CultureInfo.InvariantCulture)), "+Inf"];

    public static void Write(IBufferWriter<byte> output, IEnumerable<MetricFamily> families)
    {
        foreach (var family in families)
        {
            if (family.Points.Count == 0)
                continue;
            var name = NameOf(family);
            Text(output, "# HELP ");
            Text(output, name);
            Text(output, " ");
            Escaped(output, family.Description, quoted: false);
            Text(output, "\n# TYPE ");
            Text(output, name);
            Text(output, family.Kind switch { MetricKind.Counter => " counter\n", MetricKind.Gauge => " gauge\n", _ => " histogram\n" });
            foreach (var point in family.Points)
            {
                if (point.Durations is { } durations)
                    Histogram(output, name, point.Labels, durations);
                else
                    Sample(output, name, "", point.Labels, null, point.Value);
            }
        }
    }

    public static string NameOf(MetricFamily family)
    {
        var suffix = family.Unit switch
        {
            "s" => "_seconds",
            "By" => "_bytes",
            "" => "",
            ['{', ..] => "",
            _ => throw new ArgumentException($"'{family.Unit}' is a unit without a Prometheus name", nameof(family)),
        };
        return family.Name.Replace('.', '_') + suffix + (family.Kind == MetricKind.Counter ? "_total" : "");
    }

    private static void Histogram(IBufferWriter<byte> output, string name, MetricLabel[] labels, SeriesSnapshot durations)
    {
        var sum = 0L;
        for (var bucket = 0; bucket < durations.Buckets.Length; bucket++)
        {
            sum += durations.Buckets[bucket];
            Sample(output, name, "_bucket", labels, BoundTexts[bucket], sum);
        }
        Sample(output, name, "_sum", labels, null, durations.Sum.TotalSeconds);
        Sample(output, name, "_count", labels, null, sum);
    }

    private static void Sample(IBufferWriter<byte> output, string name, string suffix, MetricLabel[] labels, string? bound, double value)
    {
        Text(output, name);
        Text(output, suffix);
        if (labels.Length > 0 || bound is not null)
        {
            var separator = "{";
            foreach (var label in labels)
            {
                Text(output, separator);
                Text(output, label.Name.Replace('.', '_'));
                Text(output, "=\"");
                Escaped(output, label.Value, quoted: true);
                separator = "\",";
            }
            if (bound is not null)
            {
                Text(output, separator);
                Text(output, "le=\"");
                Text(output, bound);
            }
            Text(output, "\"}");
        }
        Text(output, " ");
        Number(output, value);
        Text(output, "\n");
    }

    private static void Number(IBufferWriter<byte> output, double value)
    {
        var span = output.GetSpan(32);
        // Whole numbers in full: a counter of bytes must not turn into 1E+16.
        var isWhole = Math.Abs(value) < 1L << 53 && value == Math.Floor(value);
        var length = 0;
        _ = isWhole ? Utf8Formatter.TryFormat((long)value, span, out length) : value.TryFormat(span, out length, default, CultureInfo.InvariantCulture);
        output.Advance(length);
    }

    private static void Text(IBufferWriter<byte> output, string text)
    {
        var span = output.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length));
        output.Advance(Encoding.UTF8.GetBytes(text, span));
    }

    private static void Escaped(IBufferWriter<byte> output, string text, bool quoted)
    {
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        Text(output, quoted ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text);
    }
}
