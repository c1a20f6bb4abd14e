using Malha.Configuration;

namespace Malha.Proxy.Upstream;

/// <summary>A service as the configuration in force has it. Its endpoints' state outlives it.</summary>
internal sealed class ServiceModel(ServiceConfig config, EndpointState[] endpoints, ServiceState state)
{
    private int _next;

    public ServiceConfig Config { get; } = config;

    public ServiceState State { get; } = state;

    public EndpointState[] Endpoints { get; } = endpoints;

    public EndpointState? Choose()
    {
        var endpoints = Endpoints;
        return endpoints.Length switch
        {
            0 => null,
            1 => endpoints[0],
            _ => endpoints[(int)((uint)Interlocked.Increment(ref _next) % (uint)endpoints.Length)],
        };
    }
}
