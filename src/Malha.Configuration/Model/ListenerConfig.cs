using System.Net;

namespace Malha.Configuration;

/// <summary>One address that clients connect to, and what a connection to it may cost.</summary>
public sealed record ListenerConfig : ConfigItem
{
    public required string Name { get; init; }

    public ListenAddress Address { get; init; } = Defaults.UpstreamListener.Value;

    /// <summary>Peers whose <c>X-Forwarded-For</c> and <c>Forwarded</c> are believed.</summary>
    public ConfigList<IPNetwork> TrustedProxies { get; init; } = Defaults.TrustedProxies.Value;

    public int MaxConnections { get; init; } = Defaults.ListenerMaxConnections.Value;

    /// <summary>From the first byte of a request (or the connection's start) to the end of its head.</summary>
    public TimeSpan HeaderTimeout { get; init; } = Defaults.HeaderTimeout.Value;

    /// <summary>How long a connection may rest between two requests.</summary>
    public TimeSpan IdleTimeout { get; init; } = Defaults.ListenerIdleTimeout.Value;

    /// <summary>The longest pause between two reads of a request's body.</summary>
    public TimeSpan BodyTimeout { get; init; } = Defaults.BodyTimeout.Value;

    /// <summary>Bytes per second that a request's body must reach once <see cref="Defaults.MinBodyRateGrace"/> is over; 0: no minimum.</summary>
    public long MinBodyRate { get; init; } = Defaults.MinBodyRate.Value;

    /// <summary>The largest head of a request (request line and all header fields), in bytes.</summary>
    public long MaxHeaderSize { get; init; } = Defaults.MaxHeaderSize.Value;

    /// <summary>The most header fields that one request may have.</summary>
    public int MaxHeaders { get; init; } = Defaults.MaxHeaders.Value;

    /// <summary>The certificates with which it speaks TLS; null: connections are in clear.</summary>
    public ListenerTlsConfig? Tls { get; init; }
}
