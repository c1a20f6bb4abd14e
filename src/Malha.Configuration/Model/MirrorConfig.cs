namespace Malha.Configuration;

/// <summary>A service that gets copies of a route's requests. Its answers are thrown away.</summary>
public sealed record MirrorConfig : ConfigItem
{
    /// <summary>The name of the service; empty until it is read, which is required.</summary>
    public string Service { get; init; } = "";

    /// <summary>The share of requests that are copied, above 0 and up to 1.</summary>
    public double Share { get; init; } = Defaults.MirrorShare.Value;

    /// <summary>The most copies of the route's requests under way at a time; further requests are not copied.</summary>
    public int Most { get; init; } = Defaults.MirrorMost.Value;
}
