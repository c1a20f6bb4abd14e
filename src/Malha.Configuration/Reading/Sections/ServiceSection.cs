using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ServiceSection
{
    private static readonly Shape<BalanceKind> Balance = new ChoiceShape<BalanceKind>(
        ("least-loaded", BalanceKind.LeastLoaded), ("round-robin", BalanceKind.RoundRobin));

    public static Section<ServiceConfig> Section { get; } =
        new Section<ServiceConfig>("a service: endpoints, …", name => new ServiceConfig { Name = name })
        .Required("endpoints", new ListShape<EndpointConfig>(EndpointSection.Shape, least: 1), s => s.Endpoints, (s, v) => s with { Endpoints = v },
            "The addresses of the service.")
        .Optional("balance", Balance, Defaults.Balance, s => s.Balance, (s, v) => s with { Balance = v },
            "How an endpoint is chosen: the less loaded of two picked at random, or one after the other.")
        .Optional("timeout", Forms.Duration, Defaults.Timeout, s => s.Timeout, (s, v) => s with { Timeout = v },
            "From a request's arrival to the final response head, retries and back-off included.")
        .Optional("attemptTimeout", Forms.Duration, "what is left of timeout", s => s.AttemptTimeout, (s, v) => s with { AttemptTimeout = v },
            "The same for one attempt.")
        .Optional("connectTimeout", Forms.Duration, Defaults.ConnectTimeout, s => s.ConnectTimeout, (s, v) => s with { ConnectTimeout = v },
            "How long a new connection may take, TLS handshake included.")
        .Optional("idleTimeout", Forms.Duration, Defaults.ServiceIdleTimeout, s => s.IdleTimeout, (s, v) => s with { IdleTimeout = v },
            "The longest silence of an exchange after its response head: of a body, a stream or an upgraded connection.")
        .Optional("maxConnections", Forms.Integer(1, 1_000_000), Defaults.EndpointMaxConnections,
            s => s.MaxConnections, (s, v) => s with { MaxConnections = v },
            "The most connections to each endpoint.")
        .Optional("maxPending", Forms.Integer(0, 1_000_000), Defaults.EndpointMaxPending, s => s.MaxPending, (s, v) => s with { MaxPending = v },
            "The most requests that wait for a connection to each endpoint; 0: none waits.")
        .Optional("maxBody", new OrOffShape<long>(Forms.Size(0, 1L << 40)), Defaults.MaxBody, s => s.MaxBody, (s, v) => s with { MaxBody = v },
            "The largest body of a request; a larger one is answered 413.")
        .Optional("maxDuration", new OrOffShape<TimeSpan>(Forms.LongDuration), "no limit", s => s.MaxDuration, (s, v) => s with { MaxDuration = v },
            "The longest that an exchange may last, streams and upgraded connections included.")
        .Optional("maxStreams", Forms.Integer(0, 1_000_000), Defaults.MaxStreams, s => s.MaxStreams, (s, v) => s with { MaxStreams = v },
            "The most long exchanges at a time: upgraded connections, event streams, gRPC streams.")
        .Optional("tls", ServiceTlsSection.Section, "the system's authorities, no certificate", s => s.Tls, (s, v) => s with { Tls = v },
            "How https endpoints are spoken to.")
        .NotYet("capacity", "concurrency", "retry", "hedge", "breaker", "health");
}
