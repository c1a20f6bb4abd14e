using Malha.Proxy.Health;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of health: what checks say, whom traffic may go to, who is ejected, who is in panic.</summary>
internal static class HealthMetricsReader
{
    private static readonly (ProbeVerdict Verdict, string Name)[] Verdicts =
        [(ProbeVerdict.Passed, "passed"), (ProbeVerdict.Failed, "failed"), (ProbeVerdict.TimedOut, "timeout"), (ProbeVerdict.Unreachable, "unreachable")];

    public static IEnumerable<MetricFamily> Read(IEnumerable<ServiceModel> services)
    {
        var watched = services.Where(service => service.State.Health is not null).ToArray();
        var endpoints = watched.SelectMany(service => service.Endpoints, (service, endpoint) => (Labels: MetricLabels.Of(service, endpoint).ToArray(), endpoint.Health)).ToArray();
        var isChecked = endpoints.Where(one => one.Health.State is not null).ToArray();

        yield return new("malha.endpoint.healthy", MetricKind.Gauge, "", "1 when the checks say that the endpoint is healthy, 0 when not; absent until the first.",
            [.. isChecked.Where(one => one.Health.State!.Health != Resilience.Health.Unknown)
                .Select(one => new MetricPoint(one.Labels, one.Health.State!.Health == Resilience.Health.Healthy ? 1 : 0))]);
        yield return new("malha.endpoint.share", MetricKind.Gauge, "", "What the endpoint gets of its weight: 0 when no traffic may go there, less than 1 while it starts slowly.",
            [.. endpoints.Select(one => new MetricPoint(one.Labels, one.Health.Share))]);
        yield return new("malha.health.checks", MetricKind.Counter, "{check}", "Checks made, by what came of them.",
            [.. isChecked.SelectMany(one => Verdicts, (one, verdict) => new MetricPoint([.. one.Labels, new("result", verdict.Name)], one.Health.Checks(verdict.Verdict)))]);
        yield return new("malha.health.check.duration", MetricKind.Gauge, "s", "How long the last check took.",
            [.. isChecked.Where(one => one.Health.LastCheck is not null).Select(one => new MetricPoint(one.Labels, one.Health.LastCheck!.Took.TotalSeconds))]);
        yield return new("malha.endpoint.ejections", MetricKind.Counter, "{ejection}", "Times that the endpoint was left out since its traffic failed more than the others'.",
            [.. endpoints.Where(one => one.Health.Outlier is not null).Select(one => new MetricPoint(one.Labels, one.Health.Ejections))]);
        yield return new("malha.service.unhealthy", MetricKind.Gauge, "", "1 while no endpoint of the service may be used.", Course(watched, ServiceCourse.Unhealthy));
        yield return new("malha.service.degraded", MetricKind.Gauge, "", "1 while the service serves although something behind it is not well.", Course(watched, ServiceCourse.Degraded));
        yield return new("malha.service.panic", MetricKind.Gauge, "", "1 while unhealthy endpoints that still work are used, since fewer than half are healthy.",
            Course(watched, ServiceCourse.Panic));
    }

    private static MetricPoint[] Course(ServiceModel[] services, ServiceCourse course) =>
        [.. services.Select(service => new MetricPoint([new("malha.service", service.Config.Name)], service.State.Health!.Snapshot.Course == course ? 1 : 0))];
}
