using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ServiceSection
{
    private static readonly Shape<BalanceKind> Balance = new ChoiceShape<BalanceKind>(
        ("least-loaded", BalanceKind.LeastLoaded), ("round-robin", BalanceKind.RoundRobin), ("consistent-hash", BalanceKind.ConsistentHash));

    private static readonly Shape<ServiceProtocol> Protocol = new ChoiceShape<ServiceProtocol>(
        ("http1", ServiceProtocol.Http1), ("http2", ServiceProtocol.Http2));

    public static Section<ServiceConfig> Section { get; } =
        new Section<ServiceConfig>("a service: endpoints, …", name => new ServiceConfig { Name = name })
        .Required("endpoints", new ListShape<EndpointConfig>(EndpointSection.Shape, least: 1), s => s.Endpoints, (s, v) => s with { Endpoints = v },
            "The addresses of the service.")
        .Optional("protocol", Protocol, Defaults.ServiceProtocol, s => s.Protocol, (s, v) => s with { Protocol = v },
            "Which HTTP the endpoints are spoken to in: http1, or http2 (over TLS, or in clear with prior knowledge). gRPC needs http2.")
        .Optional("balance", Balance, Defaults.Balance, s => s.Balance, (s, v) => s with { Balance = v },
            "How an endpoint is chosen: the less loaded of two picked at random, one after the other, or the same one for the same key.")
        .Optional("hashOn", AffinityShape.Shape, "balance goes by the load", s => s.HashOn, (s, v) => s with { HashOn = v },
            "With consistent-hash: what requests have in common that go to the same endpoint.")
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
        .Optional("capacity", CapacitySection.Shape, "not known: concurrency alone limits it",
            s => Item(s.Capacity), (s, v) => s with { Capacity = v.Value },
            "The rate of requests that the service was designed to bear.")
        .Optional("concurrency", ConcurrencySection.Shape, Defaults.Concurrency,
            s => Item(s.Concurrency), (s, v) => s with { Concurrency = v?.Value },
            "How many requests may be in flight at a time, over all endpoints: a number, or one that is found and followed between bounds.")
        .Optional("throttle", ThrottleSection.Shape, "all of its keys' defaults: it does nothing while the service takes what it is sent", s => Item(s.Throttle), (s, v) => s with { Throttle = v?.Value },
            "When requests are kept back that the service would send away: by its 429, and its 503 with Retry-After.")
        .Optional("retry", RetrySection.OfService, "off", s => s.Retry is { } retry ? new Policy<RetrySettings>(new(retry, s.RetryBudget)) : null,
            (s, v) => s with { Retry = v?.Value.Retry, RetryBudget = v?.Value.Budget ?? s.RetryBudget },
            "When a failed attempt is made again.")
        .Optional("hedge", HedgeSection.Shape, "off", s => Item(s.Hedge), (s, v) => s with { Hedge = v?.Value },
            "When another attempt starts beside one that takes long; the first answer wins.")
        .Optional("breaker", BreakerSection.Shape, "off", s => Item(s.Breaker), (s, v) => s with { Breaker = v?.Value },
            "When an endpoint is given up, how it is tried again, and how it is let back.")
        .Optional("tls", ServiceTlsSection.Section, "the system's authorities, no certificate", s => s.Tls, (s, v) => s with { Tls = v },
            "How https endpoints are spoken to.")
        .Optional("health", HealthSection.Section, "endpoints are watched, not checked", s => s.Health, (s, v) => s with { Health = v },
            "How Malha finds out whether the endpoints are healthy.");

    private static Policy<T>? Item<T>(T? options) where T : class => options is null ? null : new Policy<T>(options);
}
