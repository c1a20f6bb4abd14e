namespace Malha.Configuration;

/// <summary>What the service gets instead of the request's path and host. At most one of <see cref="Prefix"/> and <see cref="Path"/> is set.</summary>
public sealed record RewriteConfig : ConfigItem
{
    /// <summary>Stands in <see cref="Host"/> for the host and port of the endpoint that is asked.</summary>
    public const string EndpointHost = "{endpoint}";

    /// <summary>Instead of what stands before <c>/**</c> in the route's path: <c>/new</c>, or <c>/</c> for nothing; null: the path is not changed by it.</summary>
    public string? Prefix { get; init; }

    /// <summary>The whole path, with placeholders; null: the path is not changed by it.</summary>
    public RewritePath? Path { get; init; }

    /// <summary>The host, with a port where that is needed, or <see cref="EndpointHost"/>; null: the client's.</summary>
    public string? Host { get; init; }

    /// <summary>The new path, however it is written; null when the path stays.</summary>
    public RewritePath? Target => Prefix is not null ? RewritePath.OfPrefix(Prefix) : Path;
}
