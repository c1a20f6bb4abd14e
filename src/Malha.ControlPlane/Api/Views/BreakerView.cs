using Malha.Proxy.Telemetry;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.ControlPlane.Api.Views;

/// <summary>The breaker of one endpoint.</summary>
/// <param name="Service">The service.</param>
/// <param name="Endpoint">Scheme, host and port.</param>
/// <param name="State">What calls meet: `closed`, `open`, `half-open` or `ramping`.</param>
/// <param name="Mode">`auto`, or what an operator made of it: `open`, `closed`, `disabled`, `shadow`.</param>
/// <param name="ModeLeftMs">How long the operator's word still holds; null: there is none.</param>
/// <param name="HasRules">Whether the configuration gives it rules; without them only an operator moves it.</param>
/// <param name="Rule">Which rule brought it where it is: `failures`, `consecutive`, `slow`, `probes` or `manual`; null: none.</param>
/// <param name="Observed">What that rule measured: a share from 0 to 1, or a number of failures.</param>
/// <param name="Limit">What it allows.</param>
/// <param name="OpenLeftMs">How long it still refuses every call; null: it does not.</param>
/// <param name="Openings">Openings that count towards the next open time.</param>
/// <param name="Calls">Calls in the window.</param>
/// <param name="Failures">Failures among them.</param>
/// <param name="Slow">Slow ones among them.</param>
/// <param name="Overdue">Calls in flight that are slow already.</param>
/// <param name="Share">The share of calls that passes: 1 closed, 0 open, in between while it ramps.</param>
/// <param name="ShadowRefusals">Attempts that it would have refused in shadow mode, since the start.</param>
public sealed record BreakerView(
    string Service, string Endpoint, string State, string Mode, double? ModeLeftMs, bool HasRules, string? Rule, double? Observed, double? Limit, double? OpenLeftMs, int Openings,
    long Calls, long Failures, long Slow, int Overdue, double Share, long ShadowRefusals)
{
    internal static BreakerView Of(ServiceModel service, EndpointState endpoint, CircuitBreaker breaker, Moment now)
    {
        var snapshot = breaker.Snapshot(now);
        var isMeasured = snapshot.Rule is not (BreakerRule.None or BreakerRule.Manual);
        var openLeft = snapshot.Mode == BreakerMode.ForcedOpen ? snapshot.ModeLeft : snapshot.OpenLeft;
        return new BreakerView(
            service.Config.Name,
            endpoint.Name,
            BreakerNames.Of(BreakerNames.Effective(snapshot)),
            BreakerNames.Of(snapshot.Mode),
            snapshot.Mode == BreakerMode.Auto ? null : Math.Round(snapshot.ModeLeft.TotalMilliseconds),
            service.Config.Breaker is not null,
            snapshot.Mode == BreakerMode.ForcedOpen ? BreakerNames.Of(BreakerRule.Manual) : snapshot.Rule == BreakerRule.None ? null : BreakerNames.Of(snapshot.Rule),
            isMeasured ? Math.Round(snapshot.Observed, 4) : null,
            isMeasured ? snapshot.Limit : null,
            openLeft > TimeSpan.Zero ? Math.Round(openLeft.TotalMilliseconds) : null,
            snapshot.Openings,
            snapshot.Calls,
            snapshot.Failures,
            snapshot.Slow,
            snapshot.Overdue,
            snapshot.Share,
            endpoint.Metrics.ShadowRefusals);
    }
}

/// <summary>An operator's word for breakers.</summary>
/// <param name="Mode">`open`, `closed`, `shadow`, `disabled`, or `auto`, which takes an earlier word back.</param>
/// <param name="ForMs">How long it holds; absent: 10 minutes.</param>
/// <param name="Endpoint">Only this endpoint of the service, as URL or host and port; absent: all.</param>
public sealed record BreakerOrder(string Mode, double? ForMs = null, string? Endpoint = null);
