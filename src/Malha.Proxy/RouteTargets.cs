using Malha.Proxy.Balancing;
using Malha.Proxy.Routing;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>
/// The services of one route and the share of requests that each gets. With a key, all requests that share it go to the same one; when shares
/// change, only as many keys move as the shares say, since each service keeps its place on the line from 0 to 1.
/// </summary>
internal sealed class RouteTargets
{
    private readonly RouteTarget[] _targets;
    private readonly double[] _ends;
    private readonly AffinityModel? _affinity;

    private RouteTargets(RouteTarget[] targets, double[] shares, AffinityModel? affinity)
    {
        _targets = targets;
        _affinity = affinity;
        _ends = new double[shares.Length];
        var sum = 0.0;
        for (var index = 0; index < shares.Length; index++)
            _ends[index] = sum += shares[index];
        // Whatever rounding has left over goes to the last one that gets anything.
        var last = Array.FindLastIndex(shares, static share => share > 0);
        for (var index = last; index < shares.Length; index++)
            _ends[index] = 1;
    }

    public ReadOnlySpan<RouteTarget> All => _targets;

    /// <summary>Null for a route that answers itself.</summary>
    public static RouteTargets? Of(RouteModel route, Dictionary<string, ServiceModel> services, Chance chance)
    {
        var config = route.Config;
        if (config.Service is { } only)
            return new RouteTargets([new RouteTarget(route, services[only], services, chance)], [1], null);
        if (config.Split.Count == 0)
            return null;
        return new RouteTargets(
            [.. config.Split.Keys.Select(name => new RouteTarget(route, services[name], services, chance))], [.. config.Split.Values], config.SplitOn is { } key ? new AffinityModel(key) : null);
    }

    /// <summary>Where a request goes.</summary>
    public RouteTarget Choose(Exchange exchange)
    {
        if (_targets.Length == 1)
            return _targets[0];
        var place = _affinity is not null && _affinity.TryHash(exchange, AffinitySpace.Split, out var hash) ? (hash >> 11) * (1.0 / (1UL << 53)) : exchange.Random.NextDouble();
        var index = 0;
        while (place >= _ends[index])
            index++;
        return _targets[index];
    }
}
