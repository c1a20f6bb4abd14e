namespace Malha.Configuration;

/// <summary>How telemetry travels (OTLP).</summary>
public enum OtlpProtocol
{
    /// <summary>Protobuf in an HTTP POST for each signal.</summary>
    HttpProtobuf,

    /// <summary>gRPC, over HTTP/2.</summary>
    Grpc,
}

/// <summary>Where traces and metrics are sent to, and as what the gateway introduces itself there.</summary>
public sealed record TelemetryConfig : ConfigItem
{
    /// <summary>The collector: http or https, never with a user; with <see cref="OtlpProtocol.HttpProtobuf"/> <c>/v1/traces</c> and <c>/v1/metrics</c> are put behind its path.</summary>
    public required Uri Endpoint { get; init; }

    public OtlpProtocol Protocol { get; init; } = Defaults.TelemetryProtocol.Value;

    /// <summary>Sent with each export; credentials of the collector stand here.</summary>
    public ConfigList<HeaderConfig> Headers { get; init; } = [];

    /// <summary>How long one export may take.</summary>
    public TimeSpan Timeout { get; init; } = Defaults.TelemetryTimeout.Value;

    /// <summary>The share of requests without a trace of their caller's that are traced, 0 to 1; those with one are traced when their caller's are.</summary>
    public double Sample { get; init; } = Defaults.TelemetrySample.Value;

    /// <summary>How often metrics are sent.</summary>
    public TimeSpan Interval { get; init; } = Defaults.TelemetryInterval.Value;

    /// <summary>OpenTelemetry's <c>service.name</c>.</summary>
    public string Service { get; init; } = Defaults.TelemetryService.Value;

    /// <summary>OpenTelemetry's <c>service.instance.id</c>; null: the machine's name.</summary>
    public string? Instance { get; init; }

    /// <summary>What else the resource says of itself.</summary>
    public ConfigDictionary<string> Attributes { get; init; } = [];
}
