namespace Malha.Configuration;

/// <summary>The line that is written for each request.</summary>
public sealed record AccessLogConfig : ConfigItem
{
    public AccessLogFormat Format { get; init; } = Defaults.AccessLogFormat.Value;

    /// <summary>The share of requests that are logged, from 0 to 1; refusals and failures always are.</summary>
    public double Sample { get; init; } = Defaults.AccessLogSample.Value;
}

/// <summary>The form of the access log.</summary>
public enum AccessLogFormat
{
    /// <summary>Text on a terminal, JSON otherwise.</summary>
    Auto,
    Text,
    Json,
    Off,
}
