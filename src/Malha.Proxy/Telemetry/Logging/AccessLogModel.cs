using Malha.Configuration;

namespace Malha.Proxy.Telemetry.Logging;

/// <summary>The access log's settings, compiled.</summary>
/// <param name="Style">How lines look; null: the log is off.</param>
/// <param name="Threshold">Of 2^32 random numbers, how many are logged.</param>
internal sealed record AccessLogModel(LogStyle? Style, ulong Threshold)
{
    public static readonly AccessLogModel Off = new(null, 0);

    /// <param name="config">The settings.</param>
    /// <param name="isTerminal">Whether a person reads the log.</param>
    public static AccessLogModel Of(AccessLogConfig config, bool isTerminal)
    {
        LogStyle? style = config.Format switch
        {
            AccessLogFormat.Off => null,
            AccessLogFormat.Json => LogStyle.Json,
            AccessLogFormat.Text => isTerminal ? LogStyle.Coloured : LogStyle.Text,
            _ => isTerminal ? LogStyle.Coloured : LogStyle.Json,
        };
        return new AccessLogModel(style, (ulong)Math.Round(Math.Clamp(config.Sample, 0, 1) * (1L << 32)));
    }

    /// <summary>Whether a request is logged: refusals and failures always are.</summary>
    /// <param name="random">32 random bits of the request's own.</param>
    /// <param name="status">What it was answered with.</param>
    /// <param name="isRefusal">Whether Malha answered or ended it itself.</param>
    public bool Takes(uint random, int status, bool isRefusal) => Style is not null && (random < Threshold || isRefusal || status >= 500);
}
