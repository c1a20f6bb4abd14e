using System.Net;
using Malha.Configuration;
using Malha.Proxy.Downstream;
using Malha.Proxy.Timing;
using Malha.Proxy.Upstream;

namespace Malha.Proxy;

/// <summary>A gateway that runs: its listeners over one data plane.</summary>
internal sealed class GatewayHost : IDisposable
{
    private readonly DataPlane _plane;
    private readonly List<Http1Listener> _listeners = [];

    public GatewayHost(MalhaConfig config, TimeProvider time)
    {
        var wheel = new TimerWheel(time);
        _plane = new DataPlane(time, Compile(config, wheel), wheel);
    }

    public IReadOnlyList<Http1Listener> Listeners => _listeners;

    public void Start()
    {
        foreach (var (_, config) in _plane.Model.Config.Listeners)
        {
            var listener = new Http1Listener(_plane, config, new IPEndPoint(config.Address.Ip ?? IPAddress.Loopback, config.Address.Port));
            _listeners.Add(listener);
            _ = listener.AcceptAsync();
        }
    }

    public void Dispose()
    {
        foreach (var listener in _listeners)
            listener.Dispose();
        _plane.Dispose();
    }

    private static GatewayModel Compile(MalhaConfig config, TimerWheel wheel)
    {
        var services = config.Services
            .Select(service => new ServiceState(service.Value, [.. service.Value.Endpoints.Select(endpoint => new EndpointState(endpoint, wheel))]))
            .ToArray();
        return new GatewayModel(config, 1, services);
    }
}
