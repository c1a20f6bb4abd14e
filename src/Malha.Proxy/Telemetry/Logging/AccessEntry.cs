namespace Malha.Proxy.Telemetry.Logging;

/// <summary>What a line of the access log says of a request, as spans over what the exchange holds.</summary>
internal readonly ref struct AccessEntry
{
    public required DateTimeOffset Time { get; init; }

    /// <summary>The peer's address.</summary>
    public required ReadOnlySpan<byte> Client { get; init; }

    /// <summary>Which of the file's clients it is; null when none took the request.</summary>
    public string? ClientName { get; init; }

    /// <summary>Whom the client's certificate names; null when it showed none.</summary>
    public string? Identity { get; init; }

    /// <summary>Empty when no request line came.</summary>
    public ReadOnlySpan<byte> Method { get; init; }

    /// <summary>Without secrets.</summary>
    public ReadOnlySpan<byte> Target { get; init; }

    public ReadOnlySpan<byte> Host { get; init; }

    public required int Status { get; init; }

    public long BytesIn { get; init; }

    public long BytesOut { get; init; }

    public TimeSpan Duration { get; init; }

    public int Attempts { get; init; }

    public string? Listener { get; init; }

    public string? Route { get; init; }

    public string? Service { get; init; }

    /// <summary>Host and port of the endpoint that was asked last.</summary>
    public ReadOnlySpan<byte> Endpoint { get; init; }

    public ReadOnlySpan<byte> RequestId { get; init; }

    public ReadOnlySpan<byte> TraceId { get; init; }

    /// <summary>Of the gateway's own span.</summary>
    public ReadOnlySpan<byte> SpanId { get; init; }

    /// <summary>Whether the trace is sent to a collector, where somebody may look for it.</summary>
    public bool IsTraced { get; init; }

    /// <summary>Why Malha answered or ended it itself; empty when the endpoint's answer was passed on.</summary>
    public ReadOnlySpan<byte> Refusal { get; init; }

    /// <summary>The setting, or the rule of HTTP, that decided.</summary>
    public string? Rule { get; init; }

    public ReadOnlySpan<byte> UserAgent { get; init; }
}
