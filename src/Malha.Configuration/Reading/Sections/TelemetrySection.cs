using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class TelemetrySection
{
    private const string AttributePattern = "^[a-z][a-z0-9_.]{0,62}$";

    private static readonly Shape<Uri> Collector = new TextShape<Uri>(
        "a URL such as http://127.0.0.1:4318 or https://collector.example:4317", @"^https?://[^\s?#@]+$", ReadCollector, WriteCollector);

    private static readonly Shape<ConfigDictionary<string>> Attributes = new MapShape<string>(
        "the name of an attribute such as deployment.environment.name", AttributePattern, ReadAttribute, Forms.AnyText);

    public static Section<TelemetryConfig> Section { get; } =
        new Section<TelemetryConfig>("a map: endpoint, protocol, headers, timeout, sample, interval, service, instance, attributes", _ => new TelemetryConfig { Endpoint = EndpointAddress.Unset })
        .Required("endpoint", Collector, t => t.Endpoint, (t, v) => t with { Endpoint = v },
            "An OpenTelemetry collector, or whatever else takes OTLP. With http/protobuf /v1/traces and /v1/metrics are put behind it.")
        .Optional("protocol", new ChoiceShape<OtlpProtocol>(("http/protobuf", OtlpProtocol.HttpProtobuf), ("grpc", OtlpProtocol.Grpc)), Defaults.TelemetryProtocol,
            t => t.Protocol, (t, v) => t with { Protocol = v },
            "How the collector is spoken to.")
        .Optional("headers", new HeaderListShape(HeaderUse.RequestAdd), "none", t => t.Headers.Count == 0 ? null : t.Headers, (t, v) => t with { Headers = v },
            "Header fields for the collector, such as its credentials.")
        .Optional("timeout", Forms.Duration, Defaults.TelemetryTimeout, t => t.Timeout, (t, v) => t with { Timeout = v },
            "How long one export may take.")
        .Optional("sample", Forms.Share, Defaults.TelemetrySample, t => t.Sample, (t, v) => t with { Sample = v },
            "The share of requests that are traced, of those whose caller has not decided it in traceparent.")
        .Optional("interval", Forms.DurationBetween(TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)), Defaults.TelemetryInterval, t => t.Interval, (t, v) => t with { Interval = v },
            "How often metrics are sent.")
        .Optional("service", Forms.Name, Defaults.TelemetryService, t => t.Service, (t, v) => t with { Service = v },
            "The attribute service.name of all that is sent.")
        .Optional("instance", Forms.Name, "the machine's name", t => t.Instance, (t, v) => t with { Instance = v },
            "The attribute service.instance.id; gateways that share a machine need one each.")
        .Optional("attributes", Attributes, "none", t => t.Attributes.Count == 0 ? null : t.Attributes, (t, v) => t with { Attributes = v },
            "Other attributes of the resource, by name.");

    private static string? ReadCollector(string text, out Uri url)
    {
        url = EndpointAddress.Unset;
        // Not repeated: what stands before the @ may be a password.
        if (text.Contains('@', StringComparison.Ordinal))
            return "a collector has no user or password; credentials stand in headers";
        if (!Uri.TryCreate(text, UriKind.Absolute, out var read) || read.Scheme is not ("http" or "https") || read.Host.Length == 0)
            return $"{Printable.Quote(text)} is not a URL that begins with http:// or https://";
        if (read.Query.Length > 0 || read.Fragment.Length > 0)
            return $"{Printable.Quote(text)} has a query or a fragment";
        url = read;
        return null;
    }

    private static string WriteCollector(Uri url) => url.GetLeftPart(UriPartial.Authority) + (url.AbsolutePath.Length > 1 ? url.AbsolutePath : "");

    private static string? ReadAttribute(string text, out string name)
    {
        name = text;
        var fits = text.Length is > 0 and <= 63 && char.IsAsciiLetterLower(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '_' or '.');
        if (!fits)
            return $"{Printable.Quote(text)} is not the name of an attribute: lower-case letters, digits, _ and .";
        return text switch
        {
            "service.name" => "service.name is the key service",
            "service.instance.id" => "service.instance.id is the key instance",
            "service.version" => "service.version is the program's own",
            _ => null,
        };
    }
}
