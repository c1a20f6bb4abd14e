using Malha.Proxy.Telemetry;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>Hears of every change of state of one endpoint's breaker, and passes it on to metrics and log.</summary>
internal sealed class BreakerWatch
{
    /// <summary>Of a breaker that only an operator moves.</summary>
    public static readonly BreakerOptions WithoutRules = new() { FailureRatio = null, Consecutive = null, SlowOver = null };

    private readonly string _service;
    private readonly EndpointState _endpoint;
    private readonly GatewayTelemetry _telemetry;

    private BreakerWatch(string service, EndpointState endpoint, GatewayTelemetry telemetry)
    {
        _service = service;
        _endpoint = endpoint;
        _telemetry = telemetry;
    }

    /// <summary>A breaker that is watched.</summary>
    public static CircuitBreaker Make(BreakerOptions options, string service, EndpointState endpoint, GatewayRuntime runtime) =>
        new(options, runtime.Chance.Fork(), new BreakerWatch(service, endpoint, runtime.Telemetry).OnTransition);

    // By the thread that caused it, in the middle of a request: counted here, told elsewhere.
    private void OnTransition(BreakerTransition transition)
    {
        _endpoint.Metrics.BreakerMoved(transition.To);
        _telemetry.Breakers.Add(_service, _endpoint, transition);
    }
}
