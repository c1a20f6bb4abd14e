using Malha.Configuration;
using Malha.Proxy.Discovery;
using Malha.Proxy.Identity;
using Malha.Proxy.Routing;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Telemetry.Metrics;
using Malha.Proxy.Upstream;

namespace Malha.Proxy;

/// <summary>The configuration in force, compiled: read once per request, swapped whole.</summary>
internal sealed class GatewayModel
{
    private readonly RouteTargets?[] _targets;

    private GatewayModel(MalhaConfig config, long version, Dictionary<string, ServiceModel> services, IdentityModel identity, GatewayRuntime runtime)
    {
        Identity = identity;
        Config = config;
        Version = version;
        Services = services;
        Routes = RouteTable.Build(config.Routes);
        RouteMetrics = runtime.Telemetry.Requests.Bind(Routes.Routes);
        AccessLog = AccessLogModel.Of(config.AccessLog, runtime.Telemetry.Output is { IsTerminal: true });
        _targets = new RouteTargets?[config.Routes.Count];
        foreach (var route in Routes.Routes)
            _targets[route.Index] = RouteTargets.Of(route, services, runtime.Chance);
    }

    public MalhaConfig Config { get; }

    /// <summary>Counts up from 1 with each configuration that came into force.</summary>
    public long Version { get; }

    public IReadOnlyDictionary<string, ServiceModel> Services { get; }

    public RouteTable Routes { get; }

    /// <summary>Who calls, and how much they may.</summary>
    public IdentityModel Identity { get; }

    /// <summary>The classes of clients in the order of the file; empty when all are alike.</summary>
    public ClassModel[] Classes => Identity.Classes;

    /// <summary>What each route is counted in, by its index.</summary>
    public RouteMetrics[] RouteMetrics { get; }

    public AccessLogModel AccessLog { get; }

    /// <summary>
    /// Compiles a configuration. Endpoints that the previous one had keep their connections and counters, if they are reached in the same way.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="previous">The one in force; null at the start.</param>
    /// <param name="runtime">What outlives configurations.</param>
    /// <param name="dns">Knows the endpoints that are named by DNS.</param>
    public static GatewayModel Compile(MalhaConfig config, GatewayModel? previous, GatewayRuntime runtime, DnsWatch dns)
    {
        var services = new Dictionary<string, ServiceModel>(StringComparer.Ordinal);
        foreach (var (name, service) in config.Services)
        {
            var before = previous?.Services.GetValueOrDefault(name);
            // The same address may be found twice: under two names, or under one and in the file.
            var found = service.Endpoints.SelectMany(dns.Find).DistinctBy(endpoint => endpoint.Url).ToArray();
            var endpoints = found.Select(endpoint => KeptOrNew(endpoint, before, service, runtime.Wheel));
            services.Add(name, new ServiceModel(service, found, [.. endpoints], before?.State ?? new ServiceState(runtime), config.Clients.Select(client => client.Name)));
        }
        // Other endpoints are no other configuration.
        var version = (previous?.Version ?? 0) + (ReferenceEquals(previous?.Config, config) ? 0 : 1);
        return new GatewayModel(config, version, services, IdentityModel.Compile(config, previous?.Identity, runtime.Clock), runtime);
    }

    /// <summary>The settings reach the state that lives on. Once it is certain that this configuration comes into force.</summary>
    public void TakeEffect(GatewayRuntime runtime)
    {
        foreach (var targets in _targets)
        {
            foreach (var target in targets is null ? [] : targets.All)
                target.TakeEffect();
        }
        var now = runtime.Clock.Now;
        foreach (var service in Services.Values)
        {
            service.State.Update(service.Config, Classes, now);
            for (var index = 0; index < service.Endpoints.Length; index++)
            {
                service.Endpoints[index].Load.Weight = service.Found[index].Weight;
                service.Endpoints[index].Update(service.Config, now, runtime);
            }
        }
    }

    /// <summary>Where a request goes that a route takes; null when the route answers itself.</summary>
    public RouteTarget? TargetOf(RouteModel route, Exchange exchange) => _targets[route.Index]?.Choose(exchange);

    /// <summary>All services that a route leads to; empty when it answers itself.</summary>
    public ReadOnlySpan<RouteTarget> TargetsOf(RouteModel route) => _targets[route.Index] is { } targets ? targets.All : [];

    /// <summary>Closes what this configuration had and the next one has not; exchanges under way end as they are.</summary>
    public void RetireAllBut(GatewayModel next)
    {
        var kept = next.Services.Values.SelectMany(service => service.Endpoints).ToHashSet();
        foreach (var endpoint in Services.Values.SelectMany(service => service.Endpoints))
        {
            if (!kept.Contains(endpoint))
                endpoint.Retire();
        }
        // The empty name: callers that are nobody's clients.
        var clients = next.Config.Clients.Select(client => client.Name).Append("").ToHashSet(StringComparer.Ordinal);
        var routes = next.Routes.Routes.ToArray().SelectMany(route => route.Config.Services.Append(route.Config.Mirror?.Service ?? ""), (route, service) => (Service: service, route.Name))
            .ToLookup(pair => pair.Service, pair => pair.Name, StringComparer.Ordinal);
        foreach (var (name, service) in next.Services)
            service.State.KeepOnly(routes[name].ToHashSet(StringComparer.Ordinal), clients);
    }

    private static EndpointState KeptOrNew(EndpointConfig endpoint, ServiceModel? before, ServiceConfig service, Timing.TimerWheel wheel)
    {
        var known = before is null ? null : Array.Find(before.Endpoints, state => state.Config.Url == endpoint.Url && state.Config.FoundUnder == endpoint.FoundUnder);
        if (known is not null && Equals(before!.Config.Tls, service.Tls))
            return known;
        var state = new EndpointState(endpoint, service.Tls, wheel);
        // It is reached in another way, but it is still the one that an operator lets run empty.
        if (known is { IsDraining: true })
            state.Drain(true);
        return state;
    }
}
