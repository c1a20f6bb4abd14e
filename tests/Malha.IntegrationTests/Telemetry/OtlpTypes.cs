using System.Globalization;
using System.Text;
using Google.Protobuf;

namespace Malha.IntegrationTests.Telemetry;

/// <summary>One span as a collector sees it.</summary>
internal sealed record SeenSpan(string Trace, string Id, string Parent, string Name, string Kind, IReadOnlyDictionary<string, string> Attributes, bool IsError, string[] Links, double Milliseconds)
{
    public string? this[string attribute] => Attributes.GetValueOrDefault(attribute);
}

/// <summary>One data point: of a sum or a gauge its value; of a histogram its count, sum and buckets.</summary>
internal sealed record SeenPoint(IReadOnlyDictionary<string, string> Attributes, double Value, double Sum, double[] Buckets, double[] Bounds);

internal sealed record SeenMetric(string Name, string Unit, string Kind, SeenPoint[] Points);

/// <summary>
/// Reads OTLP by the field numbers of opentelemetry-proto. That they are right shows a test that reads what OpenTelemetry's own SDK sends.
/// </summary>
internal static class OtlpTypes
{
    private static readonly string[] Kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

    public static (List<SeenSpan> Spans, IReadOnlyDictionary<string, string> Resource) ReadTraces(byte[] message)
    {
        var resource = new Wire(message).Message(1);
        return ([.. resource.Messages(2).SelectMany(scope => scope.Messages(2)).Select(Span)], Attributes(resource.Message(1), 1));
    }

    public static List<SeenMetric> ReadMetrics(byte[] message) =>
        [.. new Wire(message).Message(1).Messages(2).SelectMany(scope => scope.Messages(2)).Select(Metric)];

    private static SeenSpan Span(Wire span) => new(
        span.Hex(1), span.Hex(2), span.Hex(4), span.Text(5), Kinds[span.Number(6)], Attributes(span, 9), span.Messages(15).Any(status => status.Number(3) == 2),
        [.. span.Messages(13).Select(link => link.Hex(2))], (span.Number(8) - span.Number(7)) / 1e6);

    private static SeenMetric Metric(Wire metric)
    {
        var (kind, field) = metric.Has(5) ? ("gauge", 5) : metric.Has(7) ? ("sum", 7) : ("histogram", 9);
        var data = metric.Message(field);
        // Cumulative, and a sum that only grows.
        if (kind != "gauge")
            Assert.Equal(2, data.Number(2));
        if (kind == "sum")
            Assert.Equal(1, data.Number(3));
        return new SeenMetric(metric.Text(1), metric.Text(3), kind, [.. data.Messages(1).Select(point => kind == "histogram" ? Histogram(point) : Number(point))]);
    }

    private static SeenPoint Number(Wire point) => new(Attributes(point, 7), point.Has(6) ? point.Number(6) : point.Double(4), 0, [], []);

    private static SeenPoint Histogram(Wire point) => new(
        Attributes(point, 9), point.Number(4), point.Double(5), [.. point.Fixed(6).Select(bits => (double)bits)], [.. point.Fixed(7).Select(BitConverter.UInt64BitsToDouble)]);

    private static Dictionary<string, string> Attributes(Wire item, int field) => item.Messages(field).ToDictionary(pair => pair.Text(1), pair => Value(pair.Message(2)));

    private static string Value(Wire any) => any.Has(1) ? any.Text(1)
        : any.Has(2) ? (any.Number(2) != 0 ? "true" : "false")
        : any.Has(3) ? any.Number(3).ToString(CultureInfo.InvariantCulture)
        : any.Double(4).ToString(CultureInfo.InvariantCulture);

    /// <summary>The fields of a message by their numbers.</summary>
    private sealed class Wire
    {
        private readonly List<(int Field, ulong Number, byte[]? Bytes)> _fields = [];

        public Wire(byte[] message)
        {
            var input = new CodedInputStream(message);
            while (input.ReadTag() is not 0 and var tag)
            {
                var field = WireFormat.GetTagFieldNumber(tag);
                _fields.Add(WireFormat.GetTagWireType(tag) switch
                {
                    WireFormat.WireType.Varint => (field, input.ReadUInt64(), null),
                    WireFormat.WireType.Fixed64 => (field, input.ReadFixed64(), null),
                    WireFormat.WireType.Fixed32 => (field, input.ReadFixed32(), null),
                    WireFormat.WireType.LengthDelimited => (field, 0UL, input.ReadBytes().ToByteArray()),
                    var other => throw new InvalidDataException($"wire type {other}"),
                });
            }
        }

        public bool Has(int field) => _fields.Exists(one => one.Field == field);

        public long Number(int field) => (long)_fields.FirstOrDefault(one => one.Field == field).Number;

        public double Double(int field) => BitConverter.Int64BitsToDouble(Number(field));

        public string Text(int field) => new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Bytes(field));

        public string Hex(int field) => Convert.ToHexStringLower(Bytes(field));

        public Wire Message(int field) => new(Bytes(field));

        public IEnumerable<Wire> Messages(int field) => _fields.Where(one => one.Field == field).Select(one => new Wire(one.Bytes!));

        // Packed or not.
        public IEnumerable<ulong> Fixed(int field) => _fields.Where(one => one.Field == field)
            .SelectMany(one => one.Bytes is null ? [one.Number] : Enumerable.Range(0, one.Bytes.Length / 8).Select(at => BitConverter.ToUInt64(one.Bytes, at * 8)));

        private byte[] Bytes(int field) => _fields.FirstOrDefault(one => one.Field == field).Bytes ?? [];
    }
}
