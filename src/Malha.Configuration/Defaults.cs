using System.Net;

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

    // The admin API.
    public static readonly Default<ListenAddress> AdminAddress = new(ListenAddress.Parse("127.0.0.1:9700"),
        "loopback, since the admin API can change everything");

    // Services.
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

    // Routes.
    public static readonly Default<long> BufferRequests = new(0,
        "bodies are streamed: what has arrived is checked, the rest is not waited for");

    public static readonly Default<int> RedirectStatus = new(307,
        "RFC 9110 15.4.8: the method is kept, and clients do not remember it, so that a mistake can be taken back");

    public static readonly Default<int> RespondStatus = new(200, "an answer that says no more is a success");

    public static readonly Default<string> RespondContentType = new("text/plain; charset=utf-8", "text that no browser takes for a page");

    // The access log.
    public static readonly Default<AccessLogFormat> AccessLogFormat = new(Configuration.AccessLogFormat.Auto,
        "people read terminals, programs read files");

    public static readonly Default<double> AccessLogSample = new(1, "every request, as nginx's access_log");
}
