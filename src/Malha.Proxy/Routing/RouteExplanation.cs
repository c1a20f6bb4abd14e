using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

internal enum RouteVerdict : byte
{
    /// <summary>Takes the request.</summary>
    Taken,

    /// <summary>Would take it, but a route that is more specific, or stands before it, does.</summary>
    Outranked,
    HostDiffers,
    PathDiffers,
    MethodDiffers,
    HeaderDiffers,
    QueryDiffers,
}

/// <summary>What one route says to a request, and in words why.</summary>
internal sealed record RouteCandidate(RouteModel Route, RouteVerdict Verdict, string Reason);

/// <summary>
/// How a request finds its route, for <c>malha explain</c>. Asks each route by itself and not the table's tree, so that it also checks it.
/// </summary>
/// <param name="Match">The result.</param>
/// <param name="Allow">The methods that would be taken, when that is what is wrong; else empty.</param>
/// <param name="Candidates">All routes: those whose host matches in the order in which they are asked, then the others as in the file.</param>
internal sealed record RouteExplanation(RouteMatch Match, IReadOnlyList<string> Allow, IReadOnlyList<RouteCandidate> Candidates)
{
    public static RouteExplanation Make(RouteTable table, RequestHead head)
    {
        var path = new byte[RoutePath.Raw(head).Length];
        path = path[..RoutePath.Normalize(RoutePath.Raw(head), path)];

        RouteModel? taken = null;
        var otherMethods = new List<string>();
        var candidates = new List<RouteCandidate>();
        foreach (var route in table.ByPrecedence)
        {
            if (!route.Host.Takes(RouteHost.Of(head)))
                continue;
            var candidate = Judge(route, head, path, taken);
            candidates.Add(candidate);
            if (candidate.Verdict == RouteVerdict.Taken)
                taken = route;
            else if (candidate.Verdict == RouteVerdict.MethodDiffers && route.ConditionsHold(head))
                otherMethods.AddRange(route.Config.Match.Methods);
        }

        foreach (var route in table.Routes)
        {
            if (!route.Host.Takes(RouteHost.Of(head)))
                candidates.Add(new RouteCandidate(route, RouteVerdict.HostDiffers, $"the host is not {route.Config.Match.Host}"));
        }

        var outcome = taken is not null ? RouteOutcome.Found : otherMethods.Count > 0 ? RouteOutcome.MethodNotAllowed : RouteOutcome.NoRoute;
        IReadOnlyList<string> allow = outcome == RouteOutcome.MethodNotAllowed ? [.. otherMethods.Distinct(StringComparer.Ordinal)] : [];
        return new RouteExplanation(new RouteMatch(outcome, taken), allow, candidates);
    }

    private static RouteCandidate Judge(RouteModel route, RequestHead head, ReadOnlySpan<byte> path, RouteModel? taken)
    {
        var match = route.Config.Match;
        if (head.IsAsterisk && !route.Path.IsEverything)
            return new RouteCandidate(route, RouteVerdict.PathDiffers, $"* is taken by /** only, not by {match.Path}");
        if (!head.IsAsterisk && !route.Path.Takes(path))
            return new RouteCandidate(route, RouteVerdict.PathDiffers, $"the path does not fit {match.Path}");
        if (!route.Methods.Takes(head))
            return new RouteCandidate(route, RouteVerdict.MethodDiffers, $"the method is not {string.Join(" or ", match.Methods)}");
        foreach (var condition in route.HeaderConditions)
        {
            if (!condition.HeaderHolds(head))
                return new RouteCandidate(route, RouteVerdict.HeaderDiffers, $"the header {condition.Name} {Wanted(condition.Config)}");
        }
        foreach (var condition in route.QueryConditions)
        {
            if (!condition.QueryHolds(head.Bytes(head.Query)))
                return new RouteCandidate(route, RouteVerdict.QueryDiffers, $"the query parameter {condition.Name} {Wanted(condition.Config)}");
        }
        return taken is null ? new RouteCandidate(route, RouteVerdict.Taken, "all of it fits")
            : new RouteCandidate(route, RouteVerdict.Outranked, $"fits too, but {taken.Name} comes first");
    }

    private static string Wanted(ValueMatchConfig config) => config.Kind switch
    {
        ValueMatchKind.Exact => $"is not '{config.Text}'",
        ValueMatchKind.Prefix => $"does not begin with '{config.Text}'",
        ValueMatchKind.Present => "is missing",
        _ => "is there",
    };
}
