using System.Net;
using Malha.Resilience;
using Policies = Malha.Resilience.Defaults;

namespace Malha.Configuration;

/// <summary>A value that is in force when the file says nothing, and why it is this one.</summary>
/// <param name="Value">The value.</param>
/// <param name="Origin">What it follows or guards; shown by <c>malha explain</c>.</param>
public readonly record struct Default<T>(T Value, string Origin);

/// <summary>All defaults of the configuration, each with its origin. Durations are time spans, sizes bytes, shares 0 to 1.</summary>
public static class Defaults
{
    // Listeners.
    public static readonly Default<ListenAddress> UpstreamListener = new(ListenAddress.Parse("127.0.0.1:8080"),
        "loopback, so that nobody else reaches a first try; 8080 as everybody's second HTTP port");

    public static readonly Default<ConfigList<IPNetwork>> TrustedProxies = new([],
        "nobody: a forwarding header from an unknown peer is a claim");

    public static readonly Default<int> ListenerMaxConnections = new(50_000,
        "Envoy's advice for an edge proxy is 50000; Kestrel has no limit, nginx 512 per worker");

    public static readonly Default<TimeSpan> HeaderTimeout = new(TimeSpan.FromSeconds(10),
        "an honest client sends its head in one go, and 10s bear three lost packets (1s, 2s, 4s); Kestrel has 30s, nginx 60s");

    public static readonly Default<TimeSpan> ListenerIdleTimeout = new(TimeSpan.FromSeconds(75), "nginx's keepalive_timeout");

    public static readonly Default<TimeSpan> BodyTimeout = new(TimeSpan.FromSeconds(60), "nginx's client_body_timeout");

    public static readonly Default<long> MinBodyRate = new(240, "Kestrel's MinRequestBodyDataRate");

    public static readonly Default<TimeSpan> MinBodyRateGrace = new(TimeSpan.FromSeconds(5), "Kestrel's grace period of MinRequestBodyDataRate");

    public static readonly Default<long> MaxHeaderSize = new(32 * 1024,
        "Kestrel's MaxRequestHeadersTotalSize, and nginx's four buffers of 8k");

    public static readonly Default<int> MaxHeaders = new(100, "Kestrel's MaxRequestHeaderCount, and Envoy's max_headers_count");

    public static readonly Default<TlsVersion> TlsMinVersion = new(TlsVersion.Tls12,
        "Mozilla's intermediate profile; 1.0 and 1.1 are deprecated (RFC 8996)");

    public static readonly Default<TimeSpan> HandshakeTimeout = new(TimeSpan.FromSeconds(10), "Kestrel's HandshakeTimeout; nginx has 60s for it");

    public static readonly Default<int> MaxHandshakes = new(1000,
        "a core makes one or two thousand in a second, so that the last of a burst waits no longer than a second");

    // The admin API.
    public static readonly Default<ListenAddress> AdminAddress = new(ListenAddress.Parse("127.0.0.1:9700"),
        "loopback, since the admin API can change everything");

    // Services.
    public static readonly Default<ServiceProtocol> ServiceProtocol = new(Configuration.ServiceProtocol.Http1, "every proxy speaks HTTP/1.1 behind unless told otherwise (nginx, Envoy, HAProxy)");

    public static readonly Default<BalanceKind> Balance = new(BalanceKind.LeastLoaded,
        "the less loaded of two picked at random, as YARP's PowerOfTwoChoices and Envoy's LEAST_REQUEST");

    public static readonly Default<TimeSpan> Timeout = new(TimeSpan.FromSeconds(15), "Envoy's route timeout; nginx has 60s, YARP 100s");

    public static readonly Default<TimeSpan> ConnectTimeout = new(TimeSpan.FromSeconds(5),
        "Envoy's connect_timeout: two lost SYN packets (1s and 2s more) still make it");

    public static readonly Default<TimeSpan> ServiceIdleTimeout = new(TimeSpan.FromMinutes(5), "Envoy's stream_idle_timeout");

    public static readonly Default<TimeSpan> PooledConnectionIdle = new(TimeSpan.FromSeconds(60),
        "nginx's keepalive_timeout towards upstreams, and SocketsHttpHandler's PooledConnectionIdleTimeout");

    public static readonly Default<int> EndpointMaxConnections = new(1024, "Envoy's max_connections, here for each endpoint");

    public static readonly Default<int> EndpointMaxPending = new(1024, "Envoy's max_pending_requests, here for each endpoint");

    public static readonly Default<long?> MaxBody = new(30_000_000, "Kestrel's MaxRequestBodySize; nginx's is 1 MiB");

    public static readonly Default<int> MaxStreams = new(1024, "Envoy's max_requests, here for long exchanges only");

    public static readonly Default<int> Weight = new(1, "all endpoints alike");

    public static readonly Default<bool> TlsVerify = new(true, "a certificate that nobody checks protects from nothing");

    // DNS.
    public static readonly Default<TimeSpan> DnsTimeout = new(TimeSpan.FromSeconds(2), "half a second more than a lost packet costs that is sent again after the second that resolvers wait");

    public static readonly Default<TimeSpan> DnsMinTtl = new(TimeSpan.FromSeconds(1), "a time to live of 0 is meant for one use, and is no reason for a question with each request");

    public static readonly Default<TimeSpan> DnsMaxTtl = new(TimeSpan.FromMinutes(1), "Consul's and Kubernetes' are at most 30s; a name that somebody forgot to shorten before he moved it is followed all the same");

    // The policies of a service. Their values are those of the library that acts on them.
    public static readonly Default<ConcurrencyLimitOptions?> Concurrency = new(new ConcurrencyLimitOptions(),
        "found and followed from the service's own latency, as Netflix' concurrency-limits does: nobody knows the number beforehand");

    public static readonly Default<int> LimitInitial = new(Policies.LimitInitial,
        "Netflix' concurrency-limits; a burst of 20 after a pause is served");

    public static readonly Default<int> LimitMin = new(Policies.LimitMin, "a service that gets no request at all can show nothing");

    public static readonly Default<int> LimitMax = new(Policies.LimitMax,
        "beyond it the connections cost more than the requests; Netflix' concurrency-limits has 1000");

    public static readonly Default<double> ThrottleBelow = new(1 / Policies.ThrottleMultiplier,
        "the Google SRE book's K of 2: half of what is sent may be in vain, and recovery is noticed soon");

    public static readonly Default<TimeSpan> ThrottleWindow = new(Policies.ThrottleWindow, "the Google SRE book");

    public static readonly Default<int> RetryAttempts = new(Policies.RetryAttempts,
        "the first and two more: third retries succeed in 2% of the cases (dotnet/extensions), so that a fourth attempt pays for nothing");

    public static readonly Default<BackoffKind> RetryBackoff = new(Policies.RetryBackoff,
        "full jitter: the fewest calls for the time spent in AWS's comparison");

    public static readonly Default<TimeSpan> RetryBase = new(Policies.RetryBase,
        "about one round trip within a region and its work; AWS's SDKs have 50ms");

    public static readonly Default<TimeSpan> RetryMax = new(Policies.RetryMax, "AWS's simulator of back-offs");

    public static readonly Default<double> BudgetRatio = new(Policies.BudgetRatio,
        "gRPC's retry throttling earns 0.1 for a success; three layers then multiply the load by 1.33 at most");

    public static readonly Default<double> BudgetFloor = new(Policies.BudgetFloorPerSecond,
        "Finagle grants 10/s, which from many gateways in front of one service is a load already");

    public static readonly Default<TimeSpan?> HedgeDelay = new(null,
        "\"The Tail at Scale\": what takes longer than 95% of the answers did is worth a second request, which then costs 5% more");

    public static readonly Default<int> Hedges = new(Policies.HedgingHedges, "\"The Tail at Scale\": one more is enough");

    public static readonly Default<double?> BreakerFailures = new(Policies.BreakerFailureRatio, "resilience4j's failureRateThreshold");

    public static readonly Default<int?> BreakerConsecutive = new(Policies.BreakerConsecutive, "Envoy's consecutive_5xx");

    public static readonly Default<double> BreakerSlowRate = new(Policies.BreakerSlowRatio,
        "the same share as for failures: an answer that comes too late is as good as none");

    public static readonly Default<TimeSpan> BreakerWindow = new(Policies.BreakerWindow, "Hystrix' rolling statistical window");

    public static readonly Default<int> BreakerMinimum = new(Policies.BreakerMinimum, "Hystrix' requestVolumeThreshold");

    public static readonly Default<DurationRange> BreakerOpen = new(new(Policies.BreakerOpen, Policies.BreakerOpenMax),
        "Hystrix' sleep window, up to Envoy's max_ejection_time");

    public static readonly Default<int> BreakerProbes = new(Policies.BreakerProbes, "three of five: one unlucky probe neither closes nor opens");

    public static readonly Default<TimeSpan> BreakerRamp = new(Policies.BreakerRamp,
        "as long as the first open time: caches cool in proportion to the pause");

    // Health.
    public static readonly Default<TimeSpan> HealthEvery = new(Policies.HealthEvery, "the interval of nginx's health_check");

    public static readonly Default<TimeSpan> HealthTimeout = new(TimeSpan.FromSeconds(1), "Kubernetes' timeoutSeconds");

    public static readonly Default<int> HealthRise = new(Policies.HealthRise, "HAProxy's rise");

    public static readonly Default<int> HealthFall = new(Policies.HealthFall, "HAProxy's fall, and Kubernetes' failureThreshold");

    public static readonly Default<TimeSpan?> HealthSlowStart = new(Policies.HealthSlowStart, "the example of nginx's slow_start");

    public static readonly Default<bool> HealthEjection = new(true, "as a service mesh does; of two endpoints or more, one at most or 10% are out");

    public static readonly Default<string> HealthMethod = new("GET", "a check should change nothing");

    public static readonly Default<ConfigList<StatusRange>> HealthStatus = new([new StatusRange(200, 299)],
        "a redirect proves only that somebody redirects; nginx and Kubernetes take 3xx too, AWS and Envoy 200 only");

    public static readonly Default<string> HealthQuery = new("select 1", "the least that needs a working session");

    // Routes.
    public static readonly Default<long> BufferRequests = new(0,
        "bodies are streamed: what has arrived is checked, the rest is not waited for");

    public static readonly Default<double> MirrorShare = new(1, "a mirror shows what is in front of it");

    public static readonly Default<int> MirrorMost = new(100, "with the largest bodies, of 64KiB, some 6 MiB of memory");

    public static readonly Default<int> RedirectStatus = new(307,
        "RFC 9110 15.4.8: the method is kept, and clients do not remember it, so that a mistake can be taken back");

    public static readonly Default<int> RespondStatus = new(200, "an answer that says no more is a success");

    public static readonly Default<string> RespondContentType = new("text/plain; charset=utf-8", "text that no browser takes for a page");

    public static readonly Default<AuthKind> Auth = new(AuthKind.Optional, "a route is open unless it says otherwise");

    // Clients.
    public static readonly Default<ConfigList<IPNetwork>> TrustedMalha = new([],
        "nobody: a deadline or a class that an unknown peer names is a claim");

    public static readonly Default<bool> ForwardCredentials = new(false,
        "who need not see a key cannot lose it; Envoy (hide_client_credential) and Kong (hide_credentials) forward unless told otherwise");

    public static readonly Default<Rate> CredentialFailures = new(new Rate(20, TimeSpan.FromMinutes(1)),
        "fail2ban bans after 5 failures in 10 minutes; here nobody is banned, and many may share an address");

    public static readonly Default<LimitScope> LimitPer = new(LimitScope.Client, "all of the client's requests together");

    public static readonly Default<int> LimitCost = new(1, "each request counts once");

    public static readonly Default<SharingMode> LimitsMode = new(SharingMode.Leases,
        "a slow store must not make requests slow");

    public static readonly Default<TimeSpan> LimitsTimeout = new(TimeSpan.FromMilliseconds(50),
        "a hundred times what a healthy store near by takes");

    public static readonly Default<double> ClassLend = new(0,
        "a guarantee holds at once only while nothing of it is lent");

    // Protection of the gateway itself.
    public static readonly Default<SizeOrShare?> ProtectionMemory = new(new SizeOrShare(0, 0.75),
        "the share of a container that .NET lets its heap have; the rest is for the kernel's buffers and for neighbours");

    public static readonly Default<int?> ProtectionConnections = new(100_000, "two listeners, each full by its default of 50000");

    public static readonly Default<double?> ProtectionFiles = new(0.9,
        "the rest is for the admin API, logs and reloads, which must work above all when it is tight");

    public static readonly Default<long?> ProtectionBuffers = new(64L << 20,
        "a body of 64KiB for each of the 1024 connections that an endpoint has by default");

    // The durable lane.
    public static readonly Default<DeliveryEngine> DeliveryEngine = new(Configuration.DeliveryEngine.Embedded, "it needs nothing but a disk");

    public static readonly Default<long> DeliveryMaxBody = new(1 << 20, "Kafka's message.max.bytes, so that either engine keeps the same requests");

    public static readonly Default<int> DeliveryAttempts = new(10,
        "over about two hours with the back-off's default; Amazon SQS advises some, and Google's Pub/Sub has 5 at least");

    public static readonly Default<DurationRange> DeliveryBackoff = new(new(TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
        "a second bears a restart; Stripe's webhooks end at hours too");

    public static readonly Default<TimeSpan> DeliveryRetention = new(TimeSpan.FromHours(24), "as long as Stripe keeps idempotency keys");

    public static readonly Default<TimeSpan> DeadLetterRetention = new(TimeSpan.FromDays(14), "the longest that Amazon SQS keeps messages");

    public static readonly Default<long> DeliveryMinFree = new(256L << 20, "what is in memory must fit into tables, and the logs that it is in beside them");

    public static readonly Default<int> KafkaReplication = new(3, "Kafka's advice for what must not be lost: one copy may be away for maintenance and another die");

    public static readonly Default<int> KafkaMinInsync = new(2, "with three copies: acks all means two disks at least, and one broker may be away");

    public static readonly Default<KafkaMechanism> KafkaMechanism = new(Configuration.KafkaMechanism.ScramSha512, "the strongest that Kafka has for passwords");

    public static readonly Default<AckChoice> DeferAcks = new(AckChoice.All, "what was answered 202 is not lost");

    public static readonly Default<TimeSpan> DeferTtl = new(TimeSpan.FromHours(24), "what nobody could do for a day is not done unasked any more");

    public static readonly Default<bool> DeferIdempotencyKey = new(false, "Malha gives the server a key of its own where the client gave none");

    public static readonly Default<TimeSpan> CallbackTimeout = new(TimeSpan.FromSeconds(15), "the shortest that Standard Webhooks advises");

    public static readonly Default<TimeSpan> CallbackTtl = new(TimeSpan.FromHours(24), "as long as an operation is kept that has ended, which the callback speaks of");

    public static readonly Default<int> CallbacksPerHost = new(4, "enough for a receiver that is well, and no load for one that is not; browsers have six");

    public static readonly Default<bool> CallbackHttp = new(false, "Standard Webhooks: signed is not secret");

    public static readonly Default<ConfigList<int>> CallbackPorts = new([443], "the port of https");

    // The access log.
    public static readonly Default<AccessLogFormat> AccessLogFormat = new(Configuration.AccessLogFormat.Auto,
        "people read terminals, programs read files");

    public static readonly Default<double> AccessLogSample = new(1, "every request, as nginx's access_log");

    // Telemetry.
    public static readonly Default<OtlpProtocol> TelemetryProtocol = new(OtlpProtocol.HttpProtobuf, "OpenTelemetry's OTEL_EXPORTER_OTLP_PROTOCOL");

    public static readonly Default<TimeSpan> TelemetryTimeout = new(TimeSpan.FromSeconds(10), "OpenTelemetry's OTEL_EXPORTER_OTLP_TIMEOUT");

    public static readonly Default<double> TelemetrySample = new(1, "every request, as OpenTelemetry's parentbased_always_on and Envoy's random_sampling");

    public static readonly Default<TimeSpan> TelemetryInterval = new(TimeSpan.FromSeconds(60), "OpenTelemetry's OTEL_METRIC_EXPORT_INTERVAL");

    public static readonly Default<string> TelemetryService = new("malha", "the program's name");
}
