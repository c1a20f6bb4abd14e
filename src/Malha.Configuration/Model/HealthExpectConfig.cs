namespace Malha.Configuration;

/// <summary>What an answer must be: all that is given must hold.</summary>
public sealed record HealthExpectConfig : ConfigItem
{
    public ConfigList<StatusRange> Status { get; init; } = Defaults.HealthStatus.Value;

    /// <summary>Header fields by name in lower case.</summary>
    public ConfigDictionary<ValueMatchConfig> Headers { get; init; } = [];

    /// <summary>A text that the body contains; empty: any body.</summary>
    public string Body { get; init; } = "";

    /// <summary>Values of the body as JSON, by <see cref="JsonPath"/>.</summary>
    public ConfigDictionary<ValueMatchConfig> Json { get; init; } = [];

    /// <summary>The time from the request to the end of its answer; null: the check's timeout.</summary>
    public TimeSpan? Within { get; init; }
}
