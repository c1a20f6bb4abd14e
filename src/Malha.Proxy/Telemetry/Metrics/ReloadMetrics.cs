namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>How often the configuration was read again, and what came of it.</summary>
internal sealed class ReloadMetrics
{
    private long _applied;
    private long _refused;

    public long Applied => Interlocked.Read(ref _applied);

    public long Refused => Interlocked.Read(ref _refused);

    public void Count(bool isGood) => Interlocked.Increment(ref isGood ? ref _applied : ref _refused);
}
