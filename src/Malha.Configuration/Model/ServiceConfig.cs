using Malha.Resilience;

namespace Malha.Configuration;

/// <summary>One service behind Malha: its endpoints, and what a call to it may cost.</summary>
public sealed record ServiceConfig : ConfigItem
{
    public required string Name { get; init; }

    public ConfigList<EndpointConfig> Endpoints { get; init; } = [];

    /// <summary>Which HTTP is spoken to the endpoints.</summary>
    public ServiceProtocol Protocol { get; init; } = Defaults.ServiceProtocol.Value;

    public BalanceKind Balance { get; init; } = Defaults.Balance.Value;

    /// <summary>What requests have in common that go to the same endpoint; null unless <see cref="Balance"/> goes by it.</summary>
    public AffinityKey? HashOn { get; init; }

    /// <summary>From a request's arrival to the final response head, retries and back-off included.</summary>
    public TimeSpan Timeout { get; init; } = Defaults.Timeout.Value;

    /// <summary>The same for one attempt; null: what is left of <see cref="Timeout"/>.</summary>
    public TimeSpan? AttemptTimeout { get; init; }

    /// <summary>TCP and TLS handshake of a new connection to an endpoint.</summary>
    public TimeSpan ConnectTimeout { get; init; } = Defaults.ConnectTimeout.Value;

    /// <summary>The longest silence, in both directions, of an exchange after its response head (bodies, streams, upgraded connections).</summary>
    public TimeSpan IdleTimeout { get; init; } = Defaults.ServiceIdleTimeout.Value;

    /// <summary>The most connections to each endpoint.</summary>
    public int MaxConnections { get; init; } = Defaults.EndpointMaxConnections.Value;

    /// <summary>The most requests that wait for a connection to each endpoint; 0: none waits.</summary>
    public int MaxPending { get; init; } = Defaults.EndpointMaxPending.Value;

    /// <summary>The largest body of a request, in bytes; null: no limit.</summary>
    public long? MaxBody { get; init; } = Defaults.MaxBody.Value;

    /// <summary>The longest that an exchange may last, streams and upgraded connections included; null: no limit.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>The most long exchanges (upgraded connections, event streams, gRPC streams) at a time, over all endpoints.</summary>
    public int MaxStreams { get; init; } = Defaults.MaxStreams.Value;

    /// <summary>The rate that it was designed to bear; null: nobody said.</summary>
    public RateLimitOptions? Capacity { get; init; }

    /// <summary>How many requests may be in flight at a time, over all endpoints; null: any number.</summary>
    public ConcurrencyLimitOptions? Concurrency { get; init; } = Defaults.Concurrency.Value;

    /// <summary>When requests are kept back that it would send away; null: never.</summary>
    public ThrottleOptions? Throttle { get; init; } = new();

    /// <summary>When a failed attempt is made again; null: never.</summary>
    public RetryOptions? Retry { get; init; }

    /// <summary>What a caller may add to its requests by retries and hedges.</summary>
    public RetryBudgetOptions RetryBudget { get; init; } = new();

    /// <summary>When another attempt starts beside one that takes long; null: never.</summary>
    public HedgingOptions? Hedge { get; init; }

    /// <summary>When an endpoint is given up, and how it comes back; null: never.</summary>
    public BreakerOptions? Breaker { get; init; }

    /// <summary>How https endpoints are spoken to; null: the system's certificate authorities, no certificate of our own.</summary>
    public ServiceTlsConfig? Tls { get; init; }

    /// <summary>How its endpoints are checked; null: they are not.</summary>
    public HealthConfig? Health { get; init; }

    /// <summary>Whether its endpoints are a data store, which is only checked: no request is routed there.</summary>
    public bool IsStore => Endpoints.Count > 0 && Endpoints[0].IsStore;

    /// <summary>Whether its endpoints are checked, and not only watched.</summary>
    public bool IsChecked => Health is not null && (IsStore || Health.IsActive);
}

/// <summary>Which HTTP is spoken to a service's endpoints.</summary>
public enum ServiceProtocol
{
    /// <summary>HTTP/1.1.</summary>
    Http1,

    /// <summary>HTTP/2: over TLS with https endpoints, in clear with prior knowledge with http ones.</summary>
    Http2,
}

/// <summary>How one endpoint is chosen among several.</summary>
public enum BalanceKind
{
    /// <summary>The less loaded of two picked at random.</summary>
    LeastLoaded,

    /// <summary>One after the other.</summary>
    RoundRobin,

    /// <summary>Requests with the same key go to the same one.</summary>
    ConsistentHash,
}

/// <summary>One address of a service.</summary>
public sealed record EndpointConfig : ConfigItem
{
    /// <summary>The schemes of data stores: PostgreSQL, Redis, and Redis over TLS.</summary>
    internal static readonly string[] StoreSchemes = ["postgres", "redis", "rediss"];

    /// <summary>An absolute http or https URL with host and port and no more; of a PostgreSQL server also the database. Never a user or password.</summary>
    public required Uri Url { get; init; }

    /// <summary>What the URL's host stands for.</summary>
    public EndpointDiscovery Discovery { get; init; }

    /// <summary>The name under which DNS has given the address; null when the file says it.</summary>
    public string? FoundUnder { get; init; }

    /// <summary>The name that its certificate must have, unless the service says another.</summary>
    public string ServerName => FoundUnder ?? Url.Host.Trim('[', ']');

    /// <summary>Host and port as a request names them: by the name, where DNS has given the address.</summary>
    public string Authority => FoundUnder is null ? Url.Authority : Url.IsDefaultPort ? FoundUnder : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{FoundUnder}:{Url.Port}");

    /// <summary>As the file writes it, without user, password and path.</summary>
    public string Text => Discovery switch
    {
        EndpointDiscovery.Addresses => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"dns{(IsTls ? "+https" : "")}://{Url.Host}:{Url.Port}"),
        EndpointDiscovery.Services => $"srv{(IsTls ? "+https" : "")}://{Url.Host}",
        _ => Url.GetLeftPart(UriPartial.Authority),
    };

    /// <summary>Its share of the traffic relative to the others'.</summary>
    public int Weight { get; init; } = Defaults.Weight.Value;

    /// <summary>Who logs in at a data store; null: nobody says who.</summary>
    public string? User { get; init; }

    /// <summary>The password at a data store.</summary>
    public Secret? Password { get; init; }

    public bool IsTls => Url.Scheme == Uri.UriSchemeHttps || Url.Scheme == "rediss";

    /// <summary>Whether it is a data store, which is checked and not routed to.</summary>
    public bool IsStore => StoreSchemes.Contains(Url.Scheme);

    /// <summary>Why a URL cannot be an endpoint, or null when it can.</summary>
    public static string? WhyNot(Uri url)
    {
        if (!url.IsAbsoluteUri || (url.Scheme != Uri.UriSchemeHttp && url.Scheme != Uri.UriSchemeHttps))
            return "an endpoint is an http:// or https:// URL";
        if (url.UserInfo.Length > 0)
            return "an endpoint has no user or password";
        if (url.Query.Length > 0 || url.Fragment.Length > 0 || url.AbsolutePath != "/")
            return "an endpoint is scheme, host and port only; a path belongs to a route";
        return url.Host.Length == 0 ? "an endpoint needs a host" : url.Port == 0 ? "an endpoint needs a port from 1 to 65535" : null;
    }
}

/// <summary>What the host of an endpoint's URL stands for.</summary>
public enum EndpointDiscovery
{
    /// <summary>One endpoint; a name is resolved by the system with each new connection.</summary>
    None,

    /// <summary>An endpoint for each address (A, else AAAA) that DNS has for it.</summary>
    Addresses,

    /// <summary>An endpoint for each service (SRV) that DNS has for it.</summary>
    Services,
}

/// <summary>TLS towards a service.</summary>
public sealed record ServiceTlsConfig : ConfigItem
{
    /// <summary>PEM certificates of the authorities that are trusted instead of the system's.</summary>
    public ConfigFile? Ca { get; init; }

    /// <summary>The PEM certificate (with its chain) that Malha presents; goes with <see cref="Key"/>.</summary>
    public ConfigFile? Certificate { get; init; }

    /// <summary>The PEM private key of <see cref="Certificate"/>.</summary>
    public ConfigFile? Key { get; init; }

    /// <summary>The name in SNI that the certificate must have; null: the endpoint's host.</summary>
    public string? ServerName { get; init; }

    /// <summary>Whether the service's certificate is checked at all.</summary>
    public bool Verify { get; init; } = Defaults.TlsVerify.Value;
}
