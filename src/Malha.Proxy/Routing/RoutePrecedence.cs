using Malha.Configuration;

namespace Malha.Proxy.Routing;

/// <summary>
/// Which of two routes is asked first: the one with the more specific host, then path, then the one that names methods, then the one with more
/// conditions on header fields, then on query parameters, then the one that stands first in the file. The order holds for every request alike,
/// so that a route's place in it is a number that is known when the table is built.
/// </summary>
internal sealed class RoutePrecedence(RouteConfig config, int index) : IComparable<RoutePrecedence>
{
    public RouteConfig Config { get; } = config;

    public int Index { get; } = index;

    public HostModel Host { get; } = new(config.Match.Host);

    public PathModel Path { get; } = new(config.Match.Path);

    public int CompareTo(RoutePrecedence? other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var order = Host.CompareTo(other.Host);
        if (order == 0)
            order = Path.CompareTo(other.Path);
        if (order == 0)
            order = (Config.Match.Methods.Count == 0).CompareTo(other.Config.Match.Methods.Count == 0);
        if (order == 0)
            order = other.Config.Match.Headers.Count.CompareTo(Config.Match.Headers.Count);
        if (order == 0)
            order = other.Config.Match.Query.Count.CompareTo(Config.Match.Query.Count);
        return order != 0 ? order : Index.CompareTo(other.Index);
    }
}
