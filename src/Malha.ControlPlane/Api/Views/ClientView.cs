using Malha.Configuration;
using Malha.Proxy.Identity;
using Malha.Proxy.RateLimiting;

namespace Malha.ControlPlane.Api.Views;

/// <summary>A client: how it is recognised and what it may. Its keys are never shown.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Class">Its class; null when there are no classes.</param>
/// <param name="RecognisedBy">`apiKey`, `header X-Tenant`, `address 10.0.0.0/8` or `any`; of several all hold, any of the addresses.</param>
/// <param name="Keys">How many API keys it has.</param>
/// <param name="ForwardsCredentials">Whether services see its credentials.</param>
/// <param name="Limits">What it may, where a route does not say otherwise.</param>
/// <param name="Requests">Its requests since the start, refused ones included.</param>
/// <param name="RateLimited">Those that its limits refused.</param>
/// <param name="Forbidden">Those to routes that it may not call.</param>
/// <param name="Unauthenticated">Those to routes that want to know more of it.</param>
public sealed record ClientView(
    string Name, string? Class, IReadOnlyList<string> RecognisedBy, int Keys, bool ForwardsCredentials, IReadOnlyList<LimitView> Limits, long Requests, long RateLimited,
    long Forbidden, long Unauthenticated)
{
    internal static ClientView Of(ClientModel client, IdentityModel identity) => new(
        client.Name,
        identity.Classes.Length == 0 ? null : identity.Classes[client.ShareClass].Name,
        Recognition(client.Config),
        client.Config.ApiKeys.Count,
        client.Config.ForwardCredentials,
        LimitView.Of(client, identity),
        client.State.Requests,
        client.State.RateLimited,
        client.State.Forbidden,
        client.State.Unauthenticated);

    private static string[] Recognition(ClientConfig config)
    {
        string[] ways = config.ApiKeys.Count > 0 ? ["apiKey"] : config.Header is { } header ? [$"header {header.Name}"] : config.Any ? ["any"] : [];
        return [.. ways, .. config.Addresses.Select(network => $"address {network}")];
    }
}

/// <summary>A limit, and what is left of it now.</summary>
/// <param name="Rule">Its path in the configuration, as refusals name it.</param>
/// <param name="Client">The client that it is for; null for every client of a route.</param>
/// <param name="Route">The route that it is for instead of its clients' limits; null for a client's.</param>
/// <param name="Rate">As it is written, such as `60/min`.</param>
/// <param name="Burst">Requests that may come at once after a pause.</param>
/// <param name="Per">What is counted together: `client` or `ip`.</param>
/// <param name="Cost">How much one request takes.</param>
/// <param name="Remaining">Requests that could come at once now; null where each address or client has its own.</param>
/// <param name="ResetMs">Until the whole burst is there again; null where each address or client has its own.</param>
public sealed record LimitView(string Rule, string? Client, string? Route, string Rate, long Burst, string Per, int Cost, long? Remaining, double? ResetMs)
{
    internal static LimitView[] Of(ClientModel client, IdentityModel identity) =>
        [.. client.Limits?.Limits.Select(limit => Of(limit, client.Name, null, identity.Peek(limit, client))) ?? []];

    internal static LimitView[] OfRoute(string route, LimitSet? limits) => [.. limits?.Limits.Select(limit => Of(limit, null, route, null)) ?? []];

    private static LimitView Of(LimitModel limit, string? client, string? route, Resilience.RateLimitDecision? left) => new(
        limit.Rule,
        client,
        route,
        limit.Config.Rate.ToString(),
        limit.Gcra.Burst,
        limit.Config.Per == LimitScope.Ip ? "ip" : "client",
        limit.Config.Cost,
        left?.Remaining,
        left is { } now ? Math.Round(now.ResetAfter.TotalMilliseconds, 3) : null);
}
