using Malha.Configuration;
using Malha.Proxy.Balancing;

namespace Malha.Proxy.Upstream;

/// <summary>A service as the configuration in force has it. Its endpoints' state outlives it.</summary>
internal sealed class ServiceModel(ServiceConfig config, EndpointState[] endpoints, ServiceState state)
{
    private readonly Balancer _balancer = Balancer.Of(config.Balance, [.. endpoints.Select(endpoint => endpoint.Load)]);

    public ServiceConfig Config { get; } = config;

    public ServiceState State { get; } = state;

    public EndpointState[] Endpoints { get; } = endpoints;

    /// <summary>An endpoint for the next attempt; those that the exchange has tried come last. Null when there is none.</summary>
    public EndpointState? Choose(Exchange exchange, long nowMs)
    {
        var index = _balancer.Choose(nowMs, ref exchange.Random, exchange.Tried);
        if (index == Balancer.None)
            return null;
        exchange.Tried = exchange.Tried.With(index);
        return Endpoints[index];
    }
}
