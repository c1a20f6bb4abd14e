using System.Net;

namespace Malha.Configuration;

/// <summary>All that an operator says, complete with defaults and checked: the immutable result of reading <c>malha.yaml</c>.</summary>
public sealed record MalhaConfig : ConfigItem
{
    public ConfigDictionary<ListenerConfig> Listeners { get; init; } = [];

    /// <summary>The admin API, metrics and dashboard; null when the file does not ask for them.</summary>
    public AdminConfig? Admin { get; init; }

    /// <summary>Who calls, in the order of the file: the first match wins.</summary>
    public ConfigList<ClientConfig> Clients { get; init; } = [];

    /// <summary>The classes of clients in the order of the file.</summary>
    public ConfigList<ClassConfig> Classes { get; init; } = [];

    /// <summary>Peers whose <c>Malha-…</c> header fields are believed.</summary>
    public ConfigList<IPNetwork> TrustedMalha { get; init; } = Defaults.TrustedMalha.Value;

    public ConfigDictionary<ServiceConfig> Services { get; init; } = [];

    public ConfigList<RouteConfig> Routes { get; init; } = [];

    /// <summary>Where limits are counted together with other gateways; null: each gateway counts its own.</summary>
    public LimitsConfig? Limits { get; init; }

    /// <summary>How endpoints are found that are named by DNS.</summary>
    public DnsConfig Dns { get; init; } = new();

    /// <summary>What the gateway may use of its machine.</summary>
    public ProtectionConfig Protection { get; init; } = new();

    public AccessLogConfig AccessLog { get; init; } = new();

    /// <summary>Where traces and metrics are sent to; null: nowhere, and none is made.</summary>
    public TelemetryConfig? Telemetry { get; init; }

    /// <summary>The durable lane; null: nothing is accepted for later.</summary>
    public DeliveryConfig? Delivery { get; init; }

    /// <summary>The files of certificates and keys that it points to: when one of them changes, the configuration has.</summary>
    public IEnumerable<ConfigFile> Files()
    {
        var listeners = Listeners.Values.SelectMany(listener => listener.Tls is { } tls ? tls.Certificates.SelectMany(one => new[] { one.Certificate, one.Key }).Append(tls.ClientCa) : []);
        var services = Services.Values.SelectMany(service => service.Tls is { } tls ? new[] { tls.Ca, tls.Certificate, tls.Key } : []);
        return listeners.Concat(services).OfType<ConfigFile>();
    }

    /// <summary>
    /// What <c>malha run --upstream URL</c> means: one listener <c>edge</c>, one service <c>upstream</c>, and one route that takes everything.
    /// </summary>
    /// <param name="upstream">An absolute http or https URL with a host and no more: no path, query or user.</param>
    /// <param name="listen">Where to listen; <see cref="Defaults.UpstreamListener"/> when null.</param>
    /// <exception cref="ArgumentException">The URL is of another kind.</exception>
    public static MalhaConfig ForUpstream(Uri upstream, ListenAddress? listen = null)
    {
        ArgumentNullException.ThrowIfNull(upstream);
        if (EndpointConfig.WhyNot(upstream) is { } problem)
            throw new ArgumentException(problem, nameof(upstream));

        static SourceSpan At(string path, params ReadOnlySpan<string> keys) => SourceSpan.InCode("--upstream", path, keys);
        var address = listen ?? Defaults.UpstreamListener.Value;
        var listener = new ListenerConfig { Name = "edge", Address = address, Source = At("listeners.edge", "address") };
        var endpoint = new EndpointConfig { Url = upstream, Source = At("services.upstream.endpoints[0]", "url") };
        var service = new ServiceConfig { Name = "upstream", Endpoints = [endpoint], Source = At("services.upstream", "endpoints") };
        var match = new RouteMatchConfig { Source = At("routes[0].match") };
        var route = new RouteConfig { Match = match, Service = service.Name, Source = At("routes[0]", "service") };
        return new MalhaConfig
        {
            Listeners = [new(listener.Name, listener)],
            Services = [new(service.Name, service)],
            Routes = [route],
            Source = At("", "listeners", "services", "routes"),
        };
    }
}
