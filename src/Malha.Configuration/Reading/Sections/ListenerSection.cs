using System.Net;
using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ListenerSection
{
    public static Section<ListenerConfig> Section { get; } =
        new Section<ListenerConfig>("a listener: address, …", name => new ListenerConfig { Name = name })
        .Required("address", Forms.Address, l => l.Address, (l, v) => l with { Address = v },
            "Where to listen. Port 0 takes any free port.")
        .Optional("trustedProxies", new ListShape<IPNetwork>(Forms.Network, isSet: true), Defaults.TrustedProxies,
            l => l.TrustedProxies, (l, v) => l with { TrustedProxies = v },
            "Peers whose Forwarded and X-Forwarded-For are believed; the client is the rightmost address that is not one of them.")
        .Optional("maxConnections", Forms.Integer(1, 1_000_000), Defaults.ListenerMaxConnections,
            l => l.MaxConnections, (l, v) => l with { MaxConnections = v },
            "The most connections at a time; further ones wait until one ends.")
        .Optional("headerTimeout", Forms.Duration, Defaults.HeaderTimeout, l => l.HeaderTimeout, (l, v) => l with { HeaderTimeout = v },
            "How long the head of a request may take to arrive.")
        .Optional("idleTimeout", Forms.Duration, Defaults.ListenerIdleTimeout, l => l.IdleTimeout, (l, v) => l with { IdleTimeout = v },
            "How long a connection may rest between two requests.")
        .Optional("bodyTimeout", Forms.Duration, Defaults.BodyTimeout, l => l.BodyTimeout, (l, v) => l with { BodyTimeout = v },
            "The longest pause between two reads of a request's body.")
        .Optional("minBodyRate", Forms.ByteRate, Defaults.MinBodyRate, l => l.MinBodyRate, (l, v) => l with { MinBodyRate = v },
            "How fast a request's body must come at least, once 5 s have passed.")
        .Optional("maxHeaderSize", Forms.Size(1024, 1 << 20), Defaults.MaxHeaderSize, l => l.MaxHeaderSize, (l, v) => l with { MaxHeaderSize = v },
            "The largest head of a request: request line and all header fields.")
        .Optional("maxHeaders", Forms.Integer(1, 10_000), Defaults.MaxHeaders, l => l.MaxHeaders, (l, v) => l with { MaxHeaders = v },
            "The most header fields of a request.")
        .Optional("tls", ListenerTlsSection.Section, "connections are in clear", l => l.Tls, (l, v) => l with { Tls = v },
            "The certificates with which the listener speaks TLS, and only that.");
}
