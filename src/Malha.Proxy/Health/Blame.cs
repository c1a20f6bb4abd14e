using Malha.Proxy.Upstream;

namespace Malha.Proxy.Health;

/// <summary>
/// Whom endpoints have to thank for their troubles: what they report themselves, and the checked services that the operator says they need, while those are
/// unhealthy. When several failing endpoints have a dependency in common, that is the one that all of them are said to suffer from, whatever else each of
/// them complains of.
/// </summary>
internal static class Blame
{
    /// <summary>The dependencies of each endpoint, in one text; null for none.</summary>
    public static string?[] Of(EndpointState[] endpoints, IReadOnlyList<string> dependsOn, Func<string, ServiceHealth?> services)
    {
        var down = dependsOn.Where(name => services(name) is { IsUnhealthy: true }).ToArray();
        var blamed = Array.ConvertAll(endpoints, endpoint => Of(endpoint.Health, down));
        HashSet<string>? common = null;
        for (var index = 0; index < endpoints.Length; index++)
        {
            if (!IsFailing(endpoints[index].Health))
                continue;
            if (common is null)
                common = [.. blamed[index]];
            else
                common.IntersectWith(blamed[index]);
        }

        var text = common is { Count: > 0 } ? Text(common) : null;
        var texts = new string?[endpoints.Length];
        for (var index = 0; index < endpoints.Length; index++)
            texts[index] = text is not null && IsFailing(endpoints[index].Health) ? text : blamed[index].Count == 0 ? null : Text(blamed[index]);
        return texts;
    }

    private static bool IsFailing(EndpointHealth health) => health.State?.Health == Resilience.Health.Unhealthy;

    private static IReadOnlyList<string> Of(EndpointHealth health, string[] down)
    {
        var report = health.Failure ?? health.LastCheck?.Report;
        if (report?.Dependencies is not { } reported)
            return [];
        return report.IsGood || down.Length == 0 ? reported : [.. reported.Union(down)];
    }

    private static string Text(IEnumerable<string> names) => string.Join(", ", names.Order(StringComparer.Ordinal));
}
