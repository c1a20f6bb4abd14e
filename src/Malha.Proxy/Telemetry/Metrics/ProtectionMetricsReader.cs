using Malha.Proxy.SelfProtection;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of the gateway's protection of itself.</summary>
internal static class ProtectionMetricsReader
{
    public static IEnumerable<MetricFamily> Read(OverloadMonitor protection)
    {
        var uses = protection.Uses().ToArray();
        yield return new("malha.protection.stage", MetricKind.Gauge, "", "What the gateway gives up: 0 nothing, 1 keep-alive, 2 requests of the lowest class, 3 new connections.",
            [new MetricPoint([], (int)protection.Stage)]);
        yield return new("malha.protection.used", MetricKind.Gauge, "", "What is used of each budget, in its own unit.", [.. uses.Select(use => new MetricPoint([Budget(use)], use.Used))]);
        yield return new("malha.protection.limit", MetricKind.Gauge, "", "The budgets that are watched, each in its own unit.",
            [.. uses.Where(use => use.IsWatched).Select(use => new MetricPoint([Budget(use)], use.Limit))]);
        yield return new("malha.protection.refusals", MetricKind.Counter, "{request}", "Requests refused to protect the gateway.", [new MetricPoint([], protection.Refused)]);
        yield return new("malha.protection.streamed_bodies", MetricKind.Counter, "{request}", "Bodies of requests that were not kept for another attempt since too many others were.",
            [new MetricPoint([], protection.Buffers.Streamed)]);
        yield return new("malha.protection.failed_accepts", MetricKind.Counter, "{connection}", "Times that a connection could not be accepted for want of a descriptor or of memory.",
            [new MetricPoint([], protection.FailedAccepts)]);
    }

    private static MetricLabel Budget(in BudgetUse use) => new("budget", use.Name);
}
