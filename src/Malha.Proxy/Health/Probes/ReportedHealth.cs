using System.Text.Json;

namespace Malha.Proxy.Health.Probes;

/// <summary>How well something is, by its own word.</summary>
internal enum ReportedLevel : byte
{
    Healthy,
    Degraded,
    Unhealthy,
}

/// <summary>
/// The health that a service reports of itself and of what stands behind it: the documents of ASP.NET Core's health checks
/// (<c>status</c> with <c>entries</c> or <c>results</c>) and Spring Boot's actuator (<c>status</c> with <c>components</c>).
/// </summary>
/// <param name="Level">Of the whole.</param>
/// <param name="Blamed">The entries that are worst, by name; null when one of them is the service itself.</param>
internal sealed record ReportedHealth(ReportedLevel Level, IReadOnlyList<string>? Blamed)
{
    /// <summary>Entries are named to clients and in logs.</summary>
    private const int MaxName = 64;

    private static readonly string[] Containers = ["entries", "results", "components"];
    private static readonly string[] OwnTags = ["self", "live"];

    /// <summary>Null for any other document.</summary>
    public static ReportedHealth? Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || LevelOf(root) is not { } level)
            return null;
        foreach (var name in Containers)
        {
            if (root.TryGetProperty(name, out var entries) && entries.ValueKind == JsonValueKind.Object)
                return new ReportedHealth(level, level == ReportedLevel.Healthy ? [] : Worst(entries));
        }

        return null;
    }

    private static string[]? Worst(JsonElement entries)
    {
        var worst = ReportedLevel.Degraded;
        var names = new List<string>();
        var isOwn = false;
        foreach (var entry in entries.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Object || LevelOf(entry.Value) is not { } level || level < worst)
                continue;
            if (level > worst)
            {
                worst = level;
                names.Clear();
                isOwn = false;
            }
            isOwn |= IsOwn(entry);
            names.Add(entry.Name.Length <= MaxName ? entry.Name : entry.Name[..MaxName]);
        }

        return isOwn ? null : [.. names];
    }

    // Convention: the check of the process itself is called self, or tagged self or live.
    private static bool IsOwn(JsonProperty entry)
    {
        if (entry.Name.Equals("self", StringComparison.OrdinalIgnoreCase))
            return true;
        if (!entry.Value.TryGetProperty("tags", out var tags) || tags.ValueKind != JsonValueKind.Array)
            return false;
        foreach (var tag in tags.EnumerateArray())
        {
            if (tag.ValueKind == JsonValueKind.String && OwnTags.Contains(tag.GetString()))
                return true;
        }

        return false;
    }

    private static ReportedLevel? LevelOf(JsonElement element)
    {
        if (!element.TryGetProperty("status", out var status) || status.ValueKind != JsonValueKind.String)
            return null;
        return status.GetString()!.ToUpperInvariant() switch
        {
            "HEALTHY" or "UP" => ReportedLevel.Healthy,
            "DEGRADED" => ReportedLevel.Degraded,
            "UNHEALTHY" or "DOWN" or "OUT_OF_SERVICE" => ReportedLevel.Unhealthy,
            _ => null,
        };
    }
}
