using Malha.Proxy.Health;
using Malha.Proxy.Upstream;

namespace Malha.ControlPlane.Api.Views;

/// <summary>How a service is.</summary>
/// <param name="State">
/// `healthy`; `degraded`: it serves, and something behind it is not well; `panic`: fewer than half of the endpoints are healthy, and unhealthy ones that still work are
/// used too; `unhealthy`: nobody gets a call.
/// </param>
/// <param name="Usable">How many endpoints calls may go to.</param>
/// <param name="DegradedBecauseOf">What stands behind it and troubles it; null when none is known.</param>
/// <param name="Detail">What a refused client is told; null unless it is unhealthy.</param>
public sealed record ServiceHealthView(string State, int Usable, string? DegradedBecauseOf, string? Detail)
{
    internal static ServiceHealthView? Of(ServiceModel service)
    {
        if (service.State.Health is not { } health)
            return null;
        var snapshot = health.Snapshot;
        var state = snapshot.Course switch
        {
            ServiceCourse.Healthy => "healthy",
            ServiceCourse.Degraded => "degraded",
            ServiceCourse.Panic => "panic",
            _ => "unhealthy",
        };
        return new ServiceHealthView(state, snapshot.Usable, snapshot.Cause, snapshot.Detail);
    }
}

/// <summary>How an endpoint is.</summary>
/// <param name="State">`healthy`, `unhealthy`, `unknown` before the first check, `unchecked` when there is none.</param>
/// <param name="Usable">Whether calls may go there.</param>
/// <param name="Share">What it gets of its weight, from 0 to 1.</param>
/// <param name="EjectedForMs">How long it stays left out since its traffic fails more than the others'; null when it is in.</param>
/// <param name="Ejections">Times that it was.</param>
/// <param name="LastCheck">Its last check; null before the first.</param>
/// <param name="NextCheckInMs">When the next is due; null when there is none.</param>
public sealed record EndpointHealthView(
    string State, bool Usable, double Share, double? EjectedForMs, long Ejections, CheckView? LastCheck, double? NextCheckInMs)
{
    internal static EndpointHealthView Of(ServiceModel service, EndpointState endpoint, Malha.Resilience.Moment now)
    {
        var health = endpoint.Health;
        var ejected = service.State.Health?.EjectedFor(health) ?? TimeSpan.Zero;
        var state = health.State is not { } checks ? "unchecked" : checks.Health switch
        {
            Malha.Resilience.Health.Healthy => "healthy",
            Malha.Resilience.Health.Unhealthy => "unhealthy",
            _ => "unknown",
        };
        return new EndpointHealthView(
            state,
            health.IsUsable,
            Math.Round(health.Share, 3),
            ejected > TimeSpan.Zero ? Math.Round(ejected.TotalMilliseconds) : null,
            health.Ejections,
            health.LastCheck is { } last ? CheckView.Of(last) : null,
            health.NextCheck == Malha.Resilience.Moment.Never ? null : Math.Max(0, Math.Round((health.NextCheck - now).TotalMilliseconds)));
    }
}

/// <summary>One check.</summary>
/// <param name="At">When it ended.</param>
/// <param name="TookMs">How long it took.</param>
/// <param name="Result">`passed`, `failed`, `timeout` or `unreachable`.</param>
/// <param name="Failure">What failed; null when it passed.</param>
/// <param name="Dependencies">What the endpoint says is not well behind it.</param>
public sealed record CheckView(DateTimeOffset At, double TookMs, string Result, string? Failure, IReadOnlyList<string> Dependencies)
{
    internal static CheckView Of(CheckRecord check) => new(
        check.At,
        Math.Round(check.Took.TotalMilliseconds, 3),
        check.Report.Verdict switch
        {
            ProbeVerdict.Passed => "passed",
            ProbeVerdict.Failed => "failed",
            ProbeVerdict.TimedOut => "timeout",
            _ => "unreachable",
        },
        check.Report.Failure,
        check.Report.Dependencies ?? []);
}
