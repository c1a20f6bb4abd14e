using Malha.Proxy.Mirroring;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of what protects services: breakers by endpoint, admission by service, and who is draining.</summary>
internal static class PolicyMetricsReader
{
    public static readonly IReadOnlyList<(AdmissionVerdict Verdict, string Name)> Verdicts =
    [
        (AdmissionVerdict.Overloaded, "overloaded"), (AdmissionVerdict.OverCapacity, "over-capacity"), (AdmissionVerdict.QueueFull, "queue-full"),
        (AdmissionVerdict.DeadlineTooNear, "deadline"), (AdmissionVerdict.Cancelled, "cancelled"),
    ];

    private static readonly (MirrorOutcome Outcome, string Name)[] MirrorOutcomes =
    [
        (MirrorOutcome.Success, "success"), (MirrorOutcome.Failure, "failure"), (MirrorOutcome.Timeout, "timeout"), (MirrorOutcome.Unreachable, "unreachable"),
        (MirrorOutcome.Dropped, "dropped"), (MirrorOutcome.Skipped, "skipped"),
    ];

    public static IEnumerable<MetricFamily> Read(IReadOnlyCollection<ServiceModel> services, Moment now) => Breakers(services, now).Concat(Admission(services, now)).Concat(Throttles(services, now)).Concat(Mirrors(services));

    private static IEnumerable<MetricFamily> Breakers(IReadOnlyCollection<ServiceModel> services, Moment now)
    {
        var endpoints = services.SelectMany(service => service.Endpoints, (service, endpoint) => (Labels: MetricLabels.Of(service, endpoint).ToArray(), Endpoint: endpoint)).ToArray();
        var breakers = endpoints.Where(one => one.Endpoint.Breaker is not null)
            .Select(one => (one.Labels, one.Endpoint.Metrics, Snapshot: one.Endpoint.Breaker!.Snapshot(now))).ToArray();

        yield return new("malha.breaker.state", MetricKind.Gauge, "", "1 for the state that calls meet, 0 for the others.",
            [.. breakers.SelectMany(one => Choice(one.Labels, "state", BreakerNames.Effective(one.Snapshot), BreakerNames.Of))]);
        yield return new("malha.breaker.mode", MetricKind.Gauge, "", "1 for what an operator made of the breaker, 0 for the others.",
            [.. breakers.SelectMany(one => Choice(one.Labels, "mode", one.Snapshot.Mode, BreakerNames.Of))]);
        yield return new("malha.breaker.share", MetricKind.Gauge, "", "The share of calls that the breaker lets pass.",
            [.. breakers.Select(one => new MetricPoint(one.Labels, one.Snapshot.Share))]);
        yield return new("malha.breaker.transitions", MetricKind.Counter, "{transition}", "Times that a breaker came to a state.",
            [.. breakers.SelectMany(one => Enum.GetValues<BreakerState>().Select(to => new MetricPoint([.. one.Labels, new("state", BreakerNames.Of(to))], one.Metrics.BreakerMoves(to))))]);
        yield return new("malha.breaker.shadow_refusals", MetricKind.Counter, "{attempt}", "Attempts that a breaker in shadow mode would have refused.",
            [.. breakers.Select(one => new MetricPoint(one.Labels, one.Metrics.ShadowRefusals))]);
        yield return new("malha.endpoint.draining", MetricKind.Gauge, "", "1 while an operator lets the endpoint run empty.",
            [.. endpoints.Select(one => new MetricPoint(one.Labels, one.Endpoint.IsDraining ? 1 : 0))]);
    }

    private static IEnumerable<MetricFamily> Admission(IReadOnlyCollection<ServiceModel> services, Moment now)
    {
        var limited = services.Where(service => service.State.Admission is not null)
            .Select(service => (Labels: (MetricLabel[])[new("malha.service", service.Config.Name)], service.State.Admission, Snapshot: service.State.Admission!.Controller.Snapshot(now)))
            .ToArray();

        yield return new("malha.admission.limit", MetricKind.Gauge, "{attempt}", "Attempts that may be in flight at a service.",
            [.. limited.Select(one => new MetricPoint(one.Labels, one.Snapshot.Limit))]);
        yield return new("malha.admission.in_flight", MetricKind.Gauge, "{attempt}", "Attempts that count against the limit, abandoned ones included.",
            [.. limited.Select(one => new MetricPoint(one.Labels, one.Snapshot.InFlight))]);
        yield return new("malha.admission.abandoned", MetricKind.Gauge, "{attempt}", "Attempts that nobody waits for any more and that still count.",
            [.. limited.Select(one => new MetricPoint(one.Labels, one.Snapshot.Abandoned))]);
        yield return new("malha.admission.waiting", MetricKind.Gauge, "{request}", "Requests in the queue before a service.",
            [.. limited.Select(one => new MetricPoint(one.Labels, one.Snapshot.Waiting))]);
        yield return new("malha.admission.refusals", MetricKind.Counter, "{request}", "Requests that were not let to a service, by verdict.",
            [.. limited.SelectMany(one => Verdicts.Select(verdict => new MetricPoint([.. one.Labels, new("verdict", verdict.Name)], one.Admission!.RefusedFor(verdict.Verdict))))]);
    }

    private static IEnumerable<MetricFamily> Throttles(IReadOnlyCollection<ServiceModel> services, Moment now)
    {
        var all = services.Select(service => (Labels: (MetricLabel[])[new("malha.service", service.Config.Name)], service.State.Throttle)).ToArray();
        yield return new("malha.throttle.share", MetricKind.Gauge, "", "The share of a client's requests that is kept from a service that sent the client away before.",
            [.. all.SelectMany(one => one.Throttle.Callers, (one, caller) => new MetricPoint([.. one.Labels, new("malha.client", caller.Key)], caller.Value.Throttle.Probability(now)))]);
        yield return new("malha.throttle.refusals", MetricKind.Counter, "{request}", "Requests that were kept from a service that would have sent them away.",
            [.. all.Select(one => new MetricPoint(one.Labels, one.Throttle.Refused))]);
    }

    private static IEnumerable<MetricFamily> Mirrors(IReadOnlyCollection<ServiceModel> services)
    {
        var all = services.SelectMany(service => service.State.Mirrors, (service, mirror) => (
            Labels: (MetricLabel[])[new("malha.route", mirror.Key), new("malha.service", service.Config.Name)], State: mirror.Value)).ToArray();
        yield return new("malha.mirror.in_flight", MetricKind.Gauge, "{request}", "Copies of a route's requests that are under way.",
            [.. all.Select(one => new MetricPoint(one.Labels, one.State.InFlight))]);
        yield return new("malha.mirror.requests", MetricKind.Counter, "{request}", "Requests that were copied for another service or could have been, by what came of it.",
            [.. all.SelectMany(one => MirrorOutcomes, (one, outcome) => new MetricPoint([.. one.Labels, new("result", outcome.Name)], one.State.Count(outcome.Outcome)))]);
    }

    private static IEnumerable<MetricPoint> Choice<T>(MetricLabel[] labels, string name, T chosen, Func<T, string> text)
        where T : struct, Enum =>
        Enum.GetValues<T>().Select(value => new MetricPoint([.. labels, new(name, text(value))], value.Equals(chosen) ? 1 : 0));
}
