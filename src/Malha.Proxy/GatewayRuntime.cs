using Malha.Proxy.Telemetry;
using Malha.Proxy.Timing;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>What a gateway has once, from its start to its end: time, chance, timeouts, and whom it tells.</summary>
/// <param name="Wheel">The data plane's timeouts.</param>
/// <param name="Clock">The policies' time line.</param>
/// <param name="Chance">Where each policy's own source of chance is forked from.</param>
/// <param name="Telemetry">Metrics, logs and decisions.</param>
internal sealed record GatewayRuntime(TimerWheel Wheel, Clock Clock, Chance Chance, GatewayTelemetry Telemetry);
