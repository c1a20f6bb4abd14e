using Malha.Configuration.Reading.Shapes;
using Malha.Resilience;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class RouteSection
{
    private static readonly Shape<string> ServiceName =
        new TextShape<string>("the name of a service", Forms.NamePattern, Forms.ReadName, name => name);

    private static readonly Shape<string> ClientName =
        new TextShape<string>("the name of a client", Forms.NamePattern, Forms.ReadName, name => name);

    private static readonly Shape<AuthKind> Auth = new ChoiceShape<AuthKind>(("optional", AuthKind.Optional), ("required", AuthKind.Required));

    public static Section<RouteConfig> Section { get; } =
        new Section<RouteConfig>("a route: match, and service, split, redirect or respond", _ => new RouteConfig())
        .Optional("name", Forms.Name, "none", r => r.Name, (r, v) => r with { Name = v }, "A name for logs and metrics.")
        .Optional("match", RouteMatchSection.Section, "every request", r => r.Match, (r, v) => r with { Match = v },
            "Which requests it takes; all that is given must hold.")
        .Optional("service", ServiceName, null, r => r.Service, (r, v) => r with { Service = v }, "The service that the request goes to.")
        .Optional("split", Forms.Named(Forms.Share, least: 2), null, r => r.Split.Count == 0 ? null : r.Split, (r, v) => r with { Split = v },
            "The services among which the requests are divided, and the share of each: { v1: 90%, v2: 10% }.")
        .Optional("splitOn", AffinityShape.Shape, "each request by itself", r => r.SplitOn, (r, v) => r with { SplitOn = v },
            "What requests have in common that go to the same service of split.")
        .Optional("mirror", MirrorSection.Section, "nobody gets copies", r => r.Mirror, (r, v) => r with { Mirror = v },
            "A service that gets copies of the requests; its answers are thrown away.")
        .Optional("redirect", RedirectSection.Section, null, r => r.Redirect, (r, v) => r with { Redirect = v },
            "An answer that sends the client elsewhere.")
        .Optional("respond", RespondSection.Section, null, r => r.Respond, (r, v) => r with { Respond = v }, "An answer that Malha gives itself.")
        .Optional("rewrite", RewriteSection.Section, "path and host go as they came", r => r.Rewrite, (r, v) => r with { Rewrite = v },
            "What the service gets instead of the request's path and host.")
        .Optional("headers", HeaderRulesSection.Section, "no changes", r => r.Headers.IsEmpty ? null : r.Headers, (r, v) => r with { Headers = v },
            "Changes to header fields.")
        .Optional("auth", Auth, Defaults.Auth, r => r.Auth, (r, v) => r with { Auth = v },
            "Whether callers that no client but any matches are answered 401.")
        .Optional("allow", new ListShape<string>(ClientName, least: 1, isSet: true), "all clients",
            r => r.Allow.Count == 0 ? null : r.Allow, (r, v) => r with { Allow = v },
            "The clients that may call; others are answered 403.")
        .Optional("limit", new OneOrMoreShape<LimitConfig>(LimitSection.Shape, LimitSection.Most, orOff: true), "the client's",
            r => r.Limits, (r, v) => r with { Limits = v },
            "Instead of the client's limits, counted for each client of this route by itself.")
        .Optional("timeout", Forms.Duration, "the service's", r => r.Timeout, (r, v) => r with { Timeout = v }, "Instead of the service's timeout.")
        .Optional("attemptTimeout", Forms.Duration, "the service's", r => r.AttemptTimeout, (r, v) => r with { AttemptTimeout = v },
            "Instead of the service's attemptTimeout.")
        .Optional("idleTimeout", Forms.Duration, "the service's", r => r.IdleTimeout, (r, v) => r with { IdleTimeout = v }, "Instead of the service's idleTimeout.")
        .Optional("maxDuration", new OrOffShape<TimeSpan>(Forms.LongDuration), "the service's", r => r.MaxDuration?.Value,
            (r, v) => r with { MaxDuration = new LimitOverride<TimeSpan>(v) }, "Instead of the service's maxDuration.")
        .Optional("maxBody", new OrOffShape<long>(Forms.Size(0, 1L << 40)), "the service's", r => r.MaxBody?.Value,
            (r, v) => r with { MaxBody = new LimitOverride<long>(v) }, "Instead of the service's maxBody.")
        .Optional("retry", RetrySection.OfRoute, "the service's",
            r => r.Retry?.Value is { } retry ? new Policy<RetrySettings>(new(retry, new RetryBudgetOptions())) : null,
            (r, v) => r with { Retry = new PolicyOverride<RetryOptions>(v?.Value.Retry) },
            "Instead of the service's retry, as a whole: keys that it leaves out have their defaults.")
        .Optional("hedge", HedgeSection.Shape, "the service's", r => r.Hedge?.Value is { } hedge ? new Policy<HedgingOptions>(hedge) : null,
            (r, v) => r with { Hedge = new PolicyOverride<HedgingOptions>(v?.Value) },
            "Instead of the service's hedge, as a whole.")
        .Optional("bufferRequests", Forms.Size(0, 16 << 20), Defaults.BufferRequests, r => r.BufferRequests, (r, v) => r with { BufferRequests = v },
            "How much of a request's body is read and checked before the first byte goes to the service.")
        .Optional("defer", DeferSection.Section, "off: what cannot be done now is refused", r => r.Defer, (r, v) => r with { Defer = v },
            "When requests are accepted for later, answered 202, and delivered by the durable lane.")
        .NotYet("validate");
}
