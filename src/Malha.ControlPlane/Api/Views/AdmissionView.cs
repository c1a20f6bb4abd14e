using Malha.Proxy.Telemetry.Metrics;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.ControlPlane.Api.Views;

/// <summary>How many requests a service is let have, and how many it has.</summary>
/// <param name="Service">The service.</param>
/// <param name="Kind">`adaptive`, `fixed`, or `none` when only the capacity limits it.</param>
/// <param name="Limit">Attempts that may be in flight now; null: as many as there are connections.</param>
/// <param name="InFlight">Attempts that count against it, abandoned ones included.</param>
/// <param name="Abandoned">Attempts that nobody waits for any more, and that the service may still be working on.</param>
/// <param name="Waiting">Requests in the queue.</param>
/// <param name="TypicalLatencyMs">What an answer takes at present; null while nothing is known.</param>
/// <param name="CapacityPerSecond">The rate that it was designed to bear; null: the file gives none.</param>
/// <param name="RefusedByVerdict">Requests that were not let in since the start, by the reason.</param>
public sealed record AdmissionView(
    string Service, string Kind, int? Limit, int InFlight, int Abandoned, int Waiting, double? TypicalLatencyMs, double? CapacityPerSecond,
    IReadOnlyDictionary<string, long> RefusedByVerdict)
{
    internal static AdmissionView Of(ServiceModel service, Moment now)
    {
        var admission = service.State.Admission!;
        var snapshot = admission.Controller.Snapshot(now);
        var (kind, isLimited) = service.Config.Concurrency switch { null => ("none", false), { Fixed: null } => ("adaptive", true), _ => ("fixed", true) };
        return new AdmissionView(
            service.Config.Name,
            kind,
            isLimited ? snapshot.Limit : null,
            snapshot.InFlight,
            snapshot.Abandoned,
            snapshot.Waiting,
            snapshot.TypicalLatency > TimeSpan.Zero ? Math.Round(snapshot.TypicalLatency.TotalMilliseconds, 3) : null,
            CapacityOf(service),
            PolicyMetricsReader.Verdicts.ToDictionary(verdict => verdict.Name, verdict => admission.RefusedFor(verdict.Verdict)));
    }

    private static double? CapacityOf(ServiceModel service) =>
        service.Config.Capacity is { } capacity ? Math.Round(capacity.Limit / capacity.Period.TotalSeconds, 3) : null;
}
