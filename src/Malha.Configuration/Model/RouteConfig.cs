using Malha.Resilience;

namespace Malha.Configuration;

/// <summary>
/// What happens to the requests that match: exactly one of <see cref="Service"/>, <see cref="Split"/>, <see cref="Redirect"/> and <see cref="Respond"/> is set.
/// </summary>
public sealed record RouteConfig : ConfigItem
{
    /// <summary>A name for logs and metrics; null when the file gives none.</summary>
    public string? Name { get; init; }

    public RouteMatchConfig Match { get; init; } = RouteMatchConfig.Everything;

    /// <summary>The name of the service that the request goes to.</summary>
    public string? Service { get; init; }

    /// <summary>The services among which the requests are divided, and the share of each, 1 in sum; empty: there is one service, or none.</summary>
    public ConfigDictionary<double> Split { get; init; } = [];

    /// <summary>What requests have in common that go to the same service of a split; null: chance decides for each by itself.</summary>
    public AffinityKey? SplitOn { get; init; }

    /// <summary>Who gets copies of the requests; null: nobody.</summary>
    public MirrorConfig? Mirror { get; init; }

    /// <summary>The services that the requests go to, without those that get copies.</summary>
    public IEnumerable<string> Services => Service is { } only ? [only] : Split.Keys;

    public RedirectConfig? Redirect { get; init; }

    public FixedAnswerConfig? Respond { get; init; }

    /// <summary>What the service gets instead of path and host; null: they go as they came.</summary>
    public RewriteConfig? Rewrite { get; init; }

    public HeaderRulesConfig Headers { get; init; } = HeaderRulesConfig.None;

    public AuthKind Auth { get; init; } = Defaults.Auth.Value;

    /// <summary>Names of the clients that may call; empty: all.</summary>
    public ConfigList<string> Allow { get; init; } = [];

    /// <summary>Instead of the client's limits; empty: no limit, null: the client's.</summary>
    public ConfigList<LimitConfig>? Limits { get; init; }

    /// <summary>Instead of the service's timeout; null: the service's.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Instead of the service's attempt timeout; null: the service's.</summary>
    public TimeSpan? AttemptTimeout { get; init; }

    /// <summary>Instead of the service's idle timeout; null: the service's.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>Instead of the service's longest duration; null: the service's.</summary>
    public LimitOverride<TimeSpan>? MaxDuration { get; init; }

    /// <summary>Instead of the service's largest body, in bytes; null: the service's.</summary>
    public LimitOverride<long>? MaxBody { get; init; }

    /// <summary>Instead of the service's retries; null: the service's.</summary>
    public PolicyOverride<RetryOptions>? Retry { get; init; }

    /// <summary>Instead of the service's hedging; null: the service's.</summary>
    public PolicyOverride<HedgingOptions>? Hedge { get; init; }

    /// <summary>When requests are accepted for later; null: never.</summary>
    public DeferConfig? Defer { get; init; }

    /// <summary>How many bytes of a request's body are read and checked before the first byte goes on; 0: only the head is.</summary>
    public long BufferRequests { get; init; } = Defaults.BufferRequests.Value;
}

/// <summary>An answer that sends the client elsewhere.</summary>
public sealed record RedirectConfig : ConfigItem
{
    /// <summary>The target as written: absolute, or a path; may hold <c>{host}</c>, <c>{path}</c> and <c>{query}</c>.</summary>
    public RedirectTarget To { get; init; } = RedirectTarget.Root;

    /// <summary>301, 302, 303, 307 or 308.</summary>
    public int Status { get; init; } = Defaults.RedirectStatus.Value;
}

/// <summary>An answer that Malha gives itself.</summary>
public sealed record FixedAnswerConfig : ConfigItem
{
    /// <summary>From 200 to 599.</summary>
    public int Status { get; init; } = Defaults.RespondStatus.Value;

    /// <summary>The body, sent as UTF-8; empty for none.</summary>
    public string Body { get; init; } = "";

    /// <summary>The body's type; not sent without a body.</summary>
    public string ContentType { get; init; } = Defaults.RespondContentType.Value;

    public ConfigList<HeaderConfig> Headers { get; init; } = [];
}
