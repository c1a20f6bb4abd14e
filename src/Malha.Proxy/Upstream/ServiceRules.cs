using Malha.Configuration;

namespace Malha.Proxy.Upstream;

/// <summary>The paths of a service's settings, made once: a refusal names the rule that decided, and must not make a string for it.</summary>
internal sealed class ServiceRules(ServiceConfig config)
{
    public string Timeout { get; } = config.Source.Path + ".timeout";

    public string AttemptTimeout { get; } = config.Source.Path + ".attemptTimeout";

    public string ConnectTimeout { get; } = config.Source.Path + ".connectTimeout";

    public string IdleTimeout { get; } = config.Source.Path + ".idleTimeout";

    public string MaxDuration { get; } = config.Source.Path + ".maxDuration";

    public string MaxConnections { get; } = config.Source.Path + ".maxConnections";

    public string MaxStreams { get; } = config.Source.Path + ".maxStreams";

    public string MaxBody { get; } = config.Source.Path + ".maxBody";

    public string Tls { get; } = config.Source.Path + ".tls";

    public string Capacity { get; } = config.Source.Path + ".capacity";

    public string Concurrency { get; } = config.Source.Path + ".concurrency";

    public string SlowStart { get; } = config.Source.Path + ".health.slowStart";

    public string Throttle { get; } = config.Source.Path + ".throttle";

    public string BreakerFailures { get; } = config.Source.Path + ".breaker.failures";

    public string BreakerConsecutive { get; } = config.Source.Path + ".breaker.consecutive";

    public string BreakerSlow { get; } = config.Source.Path + ".breaker.slow";

    public string BreakerRamp { get; } = config.Source.Path + ".breaker.ramp";

    public string BreakerProbes { get; } = config.Source.Path + ".breaker.probes";
}
