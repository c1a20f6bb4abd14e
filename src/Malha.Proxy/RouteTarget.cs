using Malha.Proxy.Routing;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>Where the requests of one route go, and the policies that hold for them there: the route's own, or its service's.</summary>
internal sealed class RouteTarget
{
    private readonly HedgingOptions? _hedge;

    private RouteTarget(RouteModel route, ServiceModel service, Chance chance)
    {
        Service = service;
        Baseline = service.State.BaselineOf(route.Name);
        // It has no state but its chance: a new one with each configuration loses nothing.
        Retry = (route.Config.Retry is { } retry ? retry.Value : service.Config.Retry) is { } options ? new RetryPolicy(options, chance.Fork()) : null;
        // What answers take is known by route, and outlives a reload.
        _hedge = route.Config.Hedge is { } hedge ? hedge.Value : service.Config.Hedge;
        Hedge = _hedge is null ? null : service.State.HedgeOf(route.Name, _hedge);
    }

    public ServiceModel Service { get; }

    /// <summary>What an answer usually takes: a quick route must not make a slow one look like queueing.</summary>
    public RouteBaseline Baseline { get; }

    /// <summary>When a failed attempt is made again; null: never.</summary>
    public RetryPolicy? Retry { get; }

    /// <summary>When another attempt starts beside one that takes long; null: never.</summary>
    public Hedging? Hedge { get; }

    /// <summary>Null for a route that answers itself.</summary>
    public static RouteTarget? Of(RouteModel route, Dictionary<string, ServiceModel> services, Chance chance) =>
        route.ServiceName is { } service ? new RouteTarget(route, services[service], chance) : null;

    /// <summary>The settings reach the state that lives on.</summary>
    public void TakeEffect()
    {
        if (_hedge is not null)
            Hedge!.Update(_hedge);
    }
}
