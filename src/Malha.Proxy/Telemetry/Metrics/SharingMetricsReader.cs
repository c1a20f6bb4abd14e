using Malha.Proxy.Sharing;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of limits that several gateways share.</summary>
internal static class SharingMetricsReader
{
    public static IEnumerable<MetricFamily> Read(SharedLimits? shared)
    {
        yield return new("malha.limits.shared", MetricKind.Gauge, "", "Whether limits are counted together with other gateways now: 0 no, 1 yes.", [new MetricPoint([], shared is { IsUp: true } ? 1 : 0)]);
        yield return new("malha.limits.gateways", MetricKind.Gauge, "{gateway}", "Gateways that share limits, as far as was seen last.", [new MetricPoint([], shared?.Gateways ?? 1)]);
        yield return new("malha.limits.leases", MetricKind.Gauge, "{lease}", "Pairs of client and limit of which something is leased.", [new MetricPoint([], shared?.Count ?? 0)]);
        yield return new("malha.limits.local_decisions", MetricKind.Counter, "{request}", "Requests that were judged by this gateway's part of a limit alone.",
            [new MetricPoint([], shared?.LocalDecisions ?? 0)]);
        yield return new("malha.limits.store_failures", MetricKind.Counter, "{question}", "Questions that the store did not answer in time.", [new MetricPoint([], shared?.Failures ?? 0)]);
    }
}
