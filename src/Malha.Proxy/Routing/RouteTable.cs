using System.Buffers;
using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>
/// All routes of a configuration, compiled and immutable: a reload builds another one. Hosts are looked up by hash, paths in a tree of segments;
/// among the routes that take a request the one with the best <see cref="RoutePrecedence"/> wins. A more specific host whose
/// routes do not take the request leaves it to the less specific ones. Matching allocates nothing and takes no lock.
/// </summary>
internal sealed class RouteTable
{
    /// <summary>Longer paths with escapes borrow a buffer for their normal form.</summary>
    private const int StackPath = 512;

    private readonly HostTable _hosts;
    private readonly RouteModel[] _byRank;
    private readonly RouteModel[] _byIndex;

    /// <summary>The first route of all when it takes every request; there is nothing to search then.</summary>
    private readonly RouteModel? _takesAll;

    private RouteTable(RouteModel[] byRank)
    {
        _byRank = byRank;
        _byIndex = [.. byRank.OrderBy(route => route.Index)];
        _hosts = new HostTable(byRank);
        _takesAll = byRank.Length > 0 && byRank[0].TakesAll ? byRank[0] : null;
    }

    /// <summary>In the order of the file.</summary>
    public ReadOnlySpan<RouteModel> Routes => _byIndex;

    /// <summary>In the order of precedence.</summary>
    public ReadOnlySpan<RouteModel> ByPrecedence => _byRank;

    public static RouteTable Build(ConfigList<RouteConfig> routes)
    {
        var order = new RoutePrecedence[routes.Count];
        for (var index = 0; index < order.Length; index++)
            order[index] = new RoutePrecedence(routes[index], index);
        Array.Sort(order);
        var byRank = new RouteModel[order.Length];
        for (var rank = 0; rank < byRank.Length; rank++)
            byRank[rank] = new RouteModel(order[rank], rank);
        return new RouteTable(byRank);
    }

    /// <param name="head">A request that the guard has passed.</param>
    public RouteMatch Match(RequestHead head)
    {
        if (_takesAll is not null)
            return new RouteMatch(RouteOutcome.Found, _takesAll);
        var search = new RouteSearch(head);
        Run(ref search, head);
        return search.Found is { } route ? new RouteMatch(RouteOutcome.Found, route)
            : new RouteMatch(search.MethodDiffered ? RouteOutcome.MethodNotAllowed : RouteOutcome.NoRoute, null);
    }

    /// <summary>
    /// Writes the value of <c>Allow</c> for a request whose method no route takes: <c>GET, POST</c>. Methods that find no room are left out.
    /// </summary>
    /// <returns>The number of bytes written.</returns>
    public int WriteAllow(RequestHead head, Span<byte> destination)
    {
        var search = new RouteSearch(head, destination);
        Run(ref search, head);
        return search.Found is null ? search.AllowLength : 0;
    }

    /// <summary>Every route's verdict on a request, for people: the routes of matching hosts by precedence, then the others.</summary>
    public RouteExplanation Explain(RequestHead head) => RouteExplanation.Make(this, head);

    private void Run(ref RouteSearch search, RequestHead head)
    {
        var path = RoutePath.Raw(head);
        if (!RoutePath.HasEscapes(path))
            Run(ref search, head, path);
        else
            RunNormalized(ref search, head, path);
    }

    // Apart, so that the common path does not pay for clearing the buffer.
    private void RunNormalized(ref RouteSearch search, RequestHead head, ReadOnlySpan<byte> path)
    {
        var rented = path.Length > StackPath ? ArrayPool<byte>.Shared.Rent(path.Length) : null;
        var buffer = rented ?? stackalloc byte[StackPath];
        Run(ref search, head, buffer[..RoutePath.Normalize(path, buffer)]);
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
    }

    private void Run(ref RouteSearch search, RequestHead head, scoped ReadOnlySpan<byte> path)
    {
        foreach (var root in _hosts.For(RouteHost.Of(head)))
        {
            // OPTIONS * is about the server, not a path: only a route that takes everything takes it.
            if (head.IsAsterisk)
                search.Try(root.Rest);
            else
                search.Walk(root, path.Length == 1 ? default : path);
            if (search.Found is not null)
                return;
        }
    }
}
