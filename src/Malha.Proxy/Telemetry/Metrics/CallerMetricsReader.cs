using Malha.Proxy.Identity;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of who calls: requests and refusals by client, and the table that limits are counted in.</summary>
internal static class CallerMetricsReader
{
    /// <summary>Clients that get series of their own, in the order of the file; the rest is counted together. Four series for each of them.</summary>
    private const int ClientsAtMost = 1_000;

    private static readonly MetricLabel Overflow = new("otel.metric.overflow", "true");

    public static IEnumerable<MetricFamily> Read(IdentityModel identity)
    {
        var clients = identity.Clients.ToArray();
        yield return new("malha.client.requests", MetricKind.Counter, "{request}", "Requests of each client, refused ones included.",
            Points(clients, identity, [], state => state.Requests));
        yield return new("malha.client.refusals", MetricKind.Counter, "{request}", "Requests of each client that who it is, or what it may, got refused.",
        [
            .. Points(clients, identity, [Kind(RefusalKind.RateLimited)], state => state.RateLimited),
            .. Points(clients, identity, [Kind(RefusalKind.Forbidden)], state => state.Forbidden),
            .. Points(clients, identity, [Kind(RefusalKind.Unauthenticated)], state => state.Unauthenticated),
        ]);
        var store = identity.States.Limiter.Store;
        yield return new("malha.limits.keys", MetricKind.Gauge, "{key}", "Clients and addresses that limits remember.", [new MetricPoint([], store.Count)]);
        yield return new("malha.limits.memory", MetricKind.Gauge, "By", "Memory of the table that limits are counted in.", [new MetricPoint([], store.MemoryBytes)]);
        yield return new("malha.limits.overflow", MetricKind.Counter, "{request}", "Requests whose client or address found no room in that table and was counted with others.",
            [new MetricPoint([], store.Overflowed)]);
    }

    private static List<MetricPoint> Points(ClientModel[] clients, IdentityModel identity, MetricLabel[] labels, Func<ClientState, long> value)
    {
        var points = new List<MetricPoint>();
        foreach (var client in clients.Take(ClientsAtMost))
        {
            MetricLabel[] own = identity.Classes.Length == 0 ? [new("malha.client", client.Name)]
                : [new("malha.client", client.Name), new("malha.class", identity.Classes[client.ShareClass].Name)];
            points.Add(new MetricPoint([.. own, .. labels], value(client.State)));
        }
        if (clients.Length > ClientsAtMost)
            points.Add(new MetricPoint([Overflow, .. labels], clients.Skip(ClientsAtMost).Sum(client => value(client.State))));
        return points;
    }

    private static MetricLabel Kind(RefusalKind kind) => new("kind", RefusalNames.TextOf(kind));
}
