using Malha.Configuration;
using Malha.Proxy;
using Malha.Proxy.Routing;

namespace Malha.ControlPlane.Api.Views;

/// <summary>A route and what has passed it.</summary>
/// <param name="Index">Its place in the file, from 0.</param>
/// <param name="Name">The name that the file gives it, else `routes[3]`.</param>
/// <param name="Rank">Its place in the order in which routes are asked, from 0: the more specific one comes first.</param>
/// <param name="Match">Which requests it takes.</param>
/// <param name="Service">The service that they go to; null when there are several, or the route answers itself.</param>
/// <param name="Split">The share of each service among which they are divided; null: there is one service, or none.</param>
/// <param name="SplitOn">What requests have in common that go to the same service of a split; null: chance decides.</param>
/// <param name="MirrorService">The service that gets copies; null: nobody does.</param>
/// <param name="MirrorShare">The share of the requests that are copied; null when none are.</param>
/// <param name="RewritePath">The path that the service gets, as the file writes it; null: the client's.</param>
/// <param name="RewriteHost">The host that the service is asked for; null: the client's.</param>
/// <param name="RedirectTo">Where they are sent; null when the route does not redirect.</param>
/// <param name="RespondStatus">The status of a fixed answer; null when there is none.</param>
/// <param name="TimeoutMs">Instead of the service's; null: the service's.</param>
/// <param name="AttemptTimeoutMs">Instead of the service's; null: the service's.</param>
/// <param name="Requests">What has passed it.</param>
public sealed record RouteView(
    int Index, string Name, int Rank, RouteMatchView Match, string? Service, IReadOnlyDictionary<string, double>? Split, string? SplitOn, string? MirrorService, double? MirrorShare, string? RewritePath, string? RewriteHost, string? RedirectTo, int? RespondStatus, double? TimeoutMs, double? AttemptTimeoutMs,
    TrafficView Requests)
{
    internal static RouteView Of(RouteModel route, GatewayModel model)
    {
        var config = route.Config;
        return new RouteView(
            route.Index,
            route.Name,
            route.Rank,
            RouteMatchView.Of(config.Match),
            config.Service,
            config.Split.Count == 0 ? null : config.Split,
            config.SplitOn?.ToString(),
            config.Mirror?.Service,
            config.Mirror?.Share,
            config.Rewrite?.Prefix is { } prefix ? prefix.TrimEnd('/') + "{rest}" : config.Rewrite?.Path?.Text,
            config.Rewrite?.Host,
            config.Redirect?.To.ToString(),
            config.Respond?.Status,
            config.Timeout?.TotalMilliseconds,
            config.AttemptTimeout?.TotalMilliseconds,
            TrafficView.Of([model.RouteMetrics[route.Index].Answers]));
    }
}

/// <summary>Which requests a route takes: all of it must hold.</summary>
/// <param name="Host">A host, or `*.example.org`; null: any.</param>
/// <param name="Path">The path's pattern.</param>
/// <param name="Methods">Empty: any.</param>
/// <param name="Headers">Conditions on header fields, by name.</param>
/// <param name="Query">Conditions on query parameters, by name.</param>
public sealed record RouteMatchView(
    string? Host, string Path, IReadOnlyList<string> Methods, IReadOnlyDictionary<string, ConditionView> Headers, IReadOnlyDictionary<string, ConditionView> Query)
{
    internal static RouteMatchView Of(RouteMatchConfig match) =>
        new(match.Host, match.Path.ToString(), [.. match.Methods], Conditions(match.Headers), Conditions(match.Query));

    private static Dictionary<string, ConditionView> Conditions(ConfigDictionary<ValueMatchConfig> conditions) =>
        conditions.ToDictionary(pair => pair.Key, pair => ConditionView.Of(pair.Value));
}

/// <summary>What a value must be.</summary>
/// <param name="Kind">`exact`, `prefix`, `present` or `absent`.</param>
/// <param name="Text">What it is compared with; null when only its presence counts.</param>
public sealed record ConditionView(string Kind, string? Text)
{
    internal static ConditionView Of(ValueMatchConfig match) => match.Kind switch
    {
        ValueMatchKind.Exact => new("exact", match.Text),
        ValueMatchKind.Prefix => new("prefix", match.Text),
        ValueMatchKind.Present => new("present", null),
        _ => new("absent", null),
    };
}
