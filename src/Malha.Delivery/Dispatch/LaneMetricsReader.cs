using Malha.Proxy.Telemetry.Metrics;

namespace Malha.Delivery.Dispatch;

/// <summary>The metrics of the durable lane, service by service.</summary>
internal static class LaneMetricsReader
{
    public static IEnumerable<MetricFamily> Read(Lane lane)
    {
        var lanes = lane.Dispatcher.Lanes.Select(one => (Labels: (MetricLabel[])[new("malha.service", one.Name)], Lane: one)).ToArray();
        yield return new("malha.lane.depth", MetricKind.Gauge, "{operation}", "Operations that wait or are under way.",
            [.. lanes.Select(one => new MetricPoint(one.Labels, lane.Store.Depth(one.Lane.Name)))]);
        yield return new("malha.lane.under_way", MetricKind.Gauge, "{operation}", "Deliveries under way.", [.. lanes.Select(one => new MetricPoint(one.Labels, one.Lane.UnderWay))]);
        yield return new("malha.lane.held", MetricKind.Gauge, "", "1 while nothing of the lane is tried, since its service takes nothing.",
            [.. lanes.Select(one => new MetricPoint(one.Labels, one.Lane.Hold is null ? 0 : 1))]);
        yield return new("malha.lane.accepted", MetricKind.Counter, "{operation}", "Operations accepted.", [.. lanes.Select(one => new MetricPoint(one.Labels, one.Lane.Counters.Accepted))]);
        yield return new("malha.lane.ended", MetricKind.Counter, "{operation}", "Operations that ended, by how.",
        [
            .. lanes.SelectMany(one => (MetricPoint[])
            [
                new([.. one.Labels, new("state", "succeeded")], one.Lane.Counters.Succeeded),
                new([.. one.Labels, new("state", "dead")], one.Lane.Counters.Dead),
            ]),
        ]);
        yield return new("malha.lane.attempts", MetricKind.Counter, "{attempt}", "Attempts to deliver, by whether an endpoint took them.",
        [
            .. lanes.SelectMany(one => (MetricPoint[])
            [
                new([.. one.Labels, new("outcome", "reached")], one.Lane.Counters.Attempts),
                new([.. one.Labels, new("outcome", "unreached")], one.Lane.Counters.Unreached),
            ]),
        ]);
        yield return new("malha.lane.callbacks", MetricKind.Counter, "{attempt}", "Attempts to tell the end of an operation, by what came of it.",
        [
            new([new("outcome", "delivered")], lane.Callbacks.Counters.Delivered),
            new([new("outcome", "failed")], lane.Callbacks.Counters.Failed),
            new([new("outcome", "gone")], lane.Callbacks.Counters.Gone),
            new([new("outcome", "given-up")], lane.Callbacks.Counters.GivenUp),
        ]);
        yield return new("malha.lane.callbacks.under_way", MetricKind.Gauge, "{callback}", "Callbacks under way.", [new MetricPoint([], lane.Callbacks.UnderWay)]);
        yield return new("malha.lane.failing", MetricKind.Gauge, "", "1 while nothing can be accepted, since what keeps it failed.", [new MetricPoint([], lane.Store.Failure is null ? 0 : 1)]);
    }
}
