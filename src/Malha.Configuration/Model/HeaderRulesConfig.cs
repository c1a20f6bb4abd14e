using System.Text;

namespace Malha.Configuration;

/// <summary>What a route changes in the header fields of requests and responses.</summary>
public sealed record HeaderRulesConfig : ConfigItem
{
    /// <summary>No changes.</summary>
    public static HeaderRulesConfig None { get; } = new();

    /// <summary>Applied to the request that goes to the service.</summary>
    public HeaderEditConfig Request { get; init; } = HeaderEditConfig.None;

    /// <summary>Applied to the response that goes to the client.</summary>
    public HeaderEditConfig Response { get; init; } = HeaderEditConfig.None;

    public bool IsEmpty => Request.IsEmpty && Response.IsEmpty;
}

/// <summary>Changes to one set of header fields, made in this order: remove, set, add.</summary>
public sealed record HeaderEditConfig : ConfigItem
{
    /// <summary>No changes.</summary>
    public static HeaderEditConfig None { get; } = new();

    /// <summary>Fields that are appended to what is there.</summary>
    public ConfigList<HeaderConfig> Add { get; init; } = [];

    /// <summary>Fields that replace what is there.</summary>
    public ConfigList<HeaderConfig> Set { get; init; } = [];

    /// <summary>Names of fields that are taken out.</summary>
    public ConfigList<string> Remove { get; init; } = [];

    public bool IsEmpty => Add.Count == 0 && Set.Count == 0 && Remove.Count == 0;
}

/// <summary>A header field. Its value may be a secret, and is not printed then.</summary>
public sealed record HeaderConfig : ConfigItem
{
    public required string Name { get; init; }

    public required string Value { get; init; }

    /// <summary>Where a secret value came from (<c>env:NAME</c>, <c>file:PATH</c>); null for a value in clear.</summary>
    public string? SecretOrigin { get; init; }

    protected override bool PrintMembers(StringBuilder builder)
    {
        builder.Append("Name = ").Append(Name).Append(", Value = ").Append(SecretOrigin is null ? Value : "***");
        return true;
    }
}
