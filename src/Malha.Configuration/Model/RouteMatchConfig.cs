namespace Malha.Configuration;

/// <summary>Which requests a route takes: all that is given here must hold.</summary>
public sealed record RouteMatchConfig : ConfigItem
{
    /// <summary>Every request.</summary>
    public static RouteMatchConfig Everything { get; } = new();

    /// <summary>A host in lower case, or <c>*.example.org</c> for everything under it (not itself); null: any host.</summary>
    public string? Host { get; init; }

    public PathPattern Path { get; init; } = PathPattern.Everything;

    /// <summary>The methods; empty: any.</summary>
    public ConfigList<string> Methods { get; init; } = [];

    /// <summary>Header fields by name in lower case.</summary>
    public ConfigDictionary<ValueMatchConfig> Headers { get; init; } = [];

    /// <summary>Query parameters by name, as they are after decoding.</summary>
    public ConfigDictionary<ValueMatchConfig> Query { get; init; } = [];

    /// <summary>Whether <see cref="Host"/> is a wildcard.</summary>
    public bool IsWildcardHost => Host is not null && Host.StartsWith("*.", StringComparison.Ordinal);
}

/// <summary>What the value of a header field or query parameter must be.</summary>
public sealed record ValueMatchConfig : ConfigItem
{
    public ValueMatchKind Kind { get; init; } = ValueMatchKind.Exact;

    /// <summary>The text to compare, for <see cref="ValueMatchKind.Exact"/> and <see cref="ValueMatchKind.Prefix"/>.</summary>
    public string Text { get; init; } = "";
}

/// <summary>How a value is compared.</summary>
public enum ValueMatchKind
{
    Exact,
    Prefix,
    Present,
    Absent,
}
