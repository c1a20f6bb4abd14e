namespace Malha.Configuration;

/// <summary>One request of a check.</summary>
public sealed record HealthStepConfig : ConfigItem
{
    public string Method { get; init; } = Defaults.HealthMethod.Value;

    /// <summary>Path and query.</summary>
    public required string Path { get; init; }

    public ConfigList<HeaderConfig> Headers { get; init; } = [];

    /// <summary>Sent as UTF-8; empty: none.</summary>
    public string Body { get; init; } = "";

    public HealthExpectConfig Expect { get; init; } = new();
}
