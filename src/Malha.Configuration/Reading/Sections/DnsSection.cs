using System.Net;
using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class DnsSection
{
    private const int DefaultPort = 53;

    private static readonly Shape<IPEndPoint> Server = new TextShape<IPEndPoint>(
        "an IP address, with a port when it is not 53, such as 10.0.0.53, 127.0.0.1:5353 or [::1]:5353", @"^[0-9A-Fa-f:.\[\]]+$", ReadServer, server => server.ToString());

    public static Section<DnsConfig> Section { get; } = new Section<DnsConfig>("a map: resolvers, timeout, minTtl, maxTtl", _ => new DnsConfig())
        .Optional("resolvers", new ListShape<IPEndPoint>(Server, least: 1, isSet: true), "the system's (/etc/resolv.conf)",
            d => d.Resolvers.Count == 0 ? null : d.Resolvers, (d, v) => d with { Resolvers = v },
            "The servers that are asked, in this order.")
        .Optional("timeout", Forms.Duration, Defaults.DnsTimeout, d => d.Timeout, (d, v) => d with { Timeout = v }, "How long one question to one server may take.")
        .Optional("minTtl", Forms.Duration, Defaults.DnsMinTtl, d => d.MinTtl, (d, v) => d with { MinTtl = v },
            "The soonest that a name is asked for again, whatever its time to live says; also how long it takes to ask again after a failure, at first.")
        .Optional("maxTtl", Forms.Duration, Defaults.DnsMaxTtl, d => d.MaxTtl, (d, v) => d with { MaxTtl = v }, "The latest that a name is asked for again.")
        .Checked((dns, errors) =>
        {
            if (dns.MaxTtl < dns.MinTtl)
                errors.Add(dns.Source.Of(dns.Source.Says("maxTtl") ? "maxTtl" : "minTtl"), $"maxTtl ({Units.Format(dns.MaxTtl)}) is shorter than minTtl ({Units.Format(dns.MinTtl)})");
        });

    private static string? ReadServer(string text, out IPEndPoint server)
    {
        server = new IPEndPoint(IPAddress.None, DefaultPort);
        // IPAddress also reads 10.1; only the usual form is taken.
        if (!IPEndPoint.TryParse(text, out var read) || (!text.Contains(':', StringComparison.Ordinal) && read.Address.ToString() != text))
            return $"{Printable.Quote(text)} is not the address of a server";
        var hasPort = read.Port != 0 || text.EndsWith(":0", StringComparison.Ordinal);
        if (hasPort && read.Port == 0)
            return $"{Printable.Quote(text)} has no port from 1 to 65535";
        server = new IPEndPoint(read.Address, hasPort ? read.Port : DefaultPort);
        return null;
    }
}
