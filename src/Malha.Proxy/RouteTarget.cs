using Malha.Proxy.Mirroring;
using Malha.Proxy.Routing;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>Where requests of one route go, and what holds for them there: the route's own policies and limits, or its service's.</summary>
internal sealed class RouteTarget
{
    private readonly HedgingOptions? _hedge;

    public RouteTarget(RouteModel route, ServiceModel service, Dictionary<string, ServiceModel> services, Chance chance)
    {
        var config = route.Config;
        Service = service;
        Baseline = service.State.BaselineOf(route.Name);
        // It has no state but its chance: a new one with each configuration loses nothing.
        Retry = (config.Retry is { } retry ? retry.Value : service.Config.Retry) is { } options ? new RetryPolicy(options, chance.Fork()) : null;
        // What answers take is known by route, and outlives a reload.
        _hedge = config.Hedge is { } hedge ? hedge.Value : service.Config.Hedge;
        Hedge = _hedge is null ? null : service.State.HedgeOf(route.Name, _hedge);
        IdleTimeout = config.IdleTimeout ?? service.Config.IdleTimeout;
        IdleTimeoutRule = config.IdleTimeout is null ? service.Rules.IdleTimeout : config.Source.Path + ".idleTimeout";
        MaxDuration = config.MaxDuration is { } duration ? duration.Value : service.Config.MaxDuration;
        MaxDurationRule = config.MaxDuration is null ? service.Rules.MaxDuration : config.Source.Path + ".maxDuration";
        MaxBody = config.MaxBody is { } body ? body.Value : service.Config.MaxBody;
        MaxBodyRule = config.MaxBody is null ? service.Rules.MaxBody : config.Source.Path + ".maxBody";
        Mirror = config.Mirror is { } mirror ? new MirrorModel(mirror, services[mirror.Service], services[mirror.Service].State.MirrorOf(route.Name)) : null;
    }

    public ServiceModel Service { get; }

    /// <summary>What an answer usually takes: a quick route must not make a slow one look like queueing.</summary>
    public RouteBaseline Baseline { get; }

    /// <summary>When a failed attempt is made again; null: never.</summary>
    public RetryPolicy? Retry { get; }

    /// <summary>When another attempt starts beside one that takes long; null: never.</summary>
    public Hedging? Hedge { get; }

    /// <summary>Who gets copies; null: nobody.</summary>
    public MirrorModel? Mirror { get; }

    /// <summary>The longest silence of an exchange after its response head.</summary>
    public TimeSpan IdleTimeout { get; }

    /// <summary>The path of the setting, for refusals.</summary>
    public string IdleTimeoutRule { get; }

    /// <summary>The longest that an exchange may last; null: no limit.</summary>
    public TimeSpan? MaxDuration { get; }

    /// <inheritdoc cref="IdleTimeoutRule"/>
    public string MaxDurationRule { get; }

    /// <summary>The largest body of a request, in bytes; null: no limit.</summary>
    public long? MaxBody { get; }

    /// <inheritdoc cref="IdleTimeoutRule"/>
    public string MaxBodyRule { get; }

    /// <summary>The settings reach the state that lives on.</summary>
    public void TakeEffect()
    {
        if (_hedge is not null)
            Hedge!.Update(_hedge);
    }
}
