using System.Net;

namespace Malha.Configuration;

/// <summary>How endpoints are found that the file names by DNS.</summary>
public sealed record DnsConfig : ConfigItem
{
    /// <summary>The servers that are asked, in this order; empty: those of the system.</summary>
    public ConfigList<IPEndPoint> Resolvers { get; init; } = [];

    /// <summary>How long one question may take.</summary>
    public TimeSpan Timeout { get; init; } = Defaults.DnsTimeout.Value;

    /// <summary>The soonest that a name is asked for again, whatever its time to live says.</summary>
    public TimeSpan MinTtl { get; init; } = Defaults.DnsMinTtl.Value;

    /// <summary>The latest that a name is asked for again.</summary>
    public TimeSpan MaxTtl { get; init; } = Defaults.DnsMaxTtl.Value;
}
