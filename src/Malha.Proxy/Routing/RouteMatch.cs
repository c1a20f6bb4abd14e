namespace Malha.Proxy.Routing;

internal enum RouteOutcome : byte
{
    /// <summary>No route takes the request: 404.</summary>
    NoRoute,

    /// <summary>Some route would take it with another method: 405, with <see cref="RouteTable.WriteAllow"/>.</summary>
    MethodNotAllowed,

    Found,
}

/// <summary>What a table says of a request.</summary>
/// <param name="Outcome">Whether there is a route.</param>
/// <param name="Route">The route when one was found.</param>
internal readonly record struct RouteMatch(RouteOutcome Outcome, RouteModel? Route);
