using Malha.Proxy.Http1;
using Malha.Proxy.Routing;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>
/// What is counted of the requests that clients send. Recording takes no lock and allocates nothing once a kind of request has been seen;
/// who shows the figures reads them when asked.
/// </summary>
internal sealed class RequestMetrics
{
    /// <summary>Some 6 MB on two cores. OpenTelemetry's default is 2,000 for each metric, which a file of 10,000 routes would exhaust at once.</summary>
    public const int MaxSeries = 10_000;

    private const int Methods = (int)HttpMethodKind.Connect + 1;

    private readonly SeriesBudget _budget = new(MaxSeries);
    private readonly Lock _lock = new();
    private readonly Dictionary<RouteLabels, RouteMetrics> _routes = [];
    private readonly StripedCounters _active = new(Methods * 2);

    public RequestMetrics() => Unrouted = new RouteMetrics(null, _budget);

    /// <summary>Requests that met no route: malformed ones, and those that no route takes.</summary>
    public RouteMetrics Unrouted { get; }

    /// <summary>What a configuration's routes are counted in, by their index. Those of earlier ones stay until they are forgotten.</summary>
    public RouteMetrics[] Bind(ReadOnlySpan<RouteModel> routes)
    {
        var bound = new RouteMetrics[routes.Length];
        lock (_lock)
        {
            foreach (var route in routes)
            {
                var labels = new RouteLabels(route.Config.Match.Path.ToString(), route.Name, route.ServiceName);
                if (!_routes.TryGetValue(labels, out var metrics))
                    _routes.Add(labels, metrics = new RouteMetrics(labels, _budget));
                bound[route.Index] = metrics;
            }
        }
        return bound;
    }

    /// <summary>Forgets the routes that are not among these: the configuration that had them is no longer in force.</summary>
    public void Keep(RouteMetrics[] bound)
    {
        lock (_lock)
        {
            foreach (var metrics in _routes.Values.Except(bound).ToList())
            {
                _routes.Remove(metrics.Route!);
                metrics.Answers.Retire();
            }
        }
    }

    /// <summary>A request is under way.</summary>
    public void Began(HttpMethodKind method, bool isTls) => _active.Add(ActiveAt(method, isTls), 1);

    /// <summary>It is over.</summary>
    public void Ended(RouteMetrics route, SeriesKey key, TimeSpan duration, long bytesIn, long bytesOut)
    {
        _active.Add(ActiveAt(key.Method, key.IsTls), -1);
        route.Answers.Of(key).Record(duration, bytesIn, bytesOut);
    }

    /// <summary>Requests under way.</summary>
    public long Active(HttpMethodKind method, bool isTls) => _active.Read(ActiveAt(method, isTls));

    private static int ActiveAt(HttpMethodKind method, bool isTls) => ((int)method * 2) + (isTls ? 1 : 0);
}
