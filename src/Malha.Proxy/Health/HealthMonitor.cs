using Malha.Proxy.Upstream;

namespace Malha.Proxy.Health;

/// <summary>
/// Keeps the health of all services at what the configuration in force says: who is watched, who is checked and how. A service with one endpoint that nobody
/// checks costs nothing, and nothing that checks is made while no service is checked.
/// </summary>
internal sealed class HealthMonitor(GatewayRuntime runtime) : IDisposable
{
    /// <summary>Checks under way at a time, over all services: a restart with a thousand endpoints is no storm.</summary>
    public const int MaxChecks = 64;

    private readonly Dictionary<EndpointState, EndpointProber> _probers = [];
    private Dictionary<string, ServiceHealth> _services = new(StringComparer.Ordinal);
    private SemaphoreSlim? _slots;

    /// <summary>A configuration has come into force. One caller at a time.</summary>
    public void Follow(GatewayModel model)
    {
        var before = _services;
        var services = new Dictionary<string, ServiceHealth>(StringComparer.Ordinal);
        foreach (var (name, service) in model.Services)
        {
            if (service.Endpoints.Length < 2 && !service.Config.IsChecked)
                continue;
            services.Add(name, before.GetValueOrDefault(name) ?? new ServiceHealth(service.Config, runtime.Clock, runtime.Telemetry.Events, runtime.Chance.Fork(), Find));
        }

        Volatile.Write(ref _services, services);
        foreach (var (name, service) in model.Services)
        {
            service.State.Health = services.GetValueOrDefault(name);
            service.State.Health?.Follow(service);
        }
        foreach (var (name, health) in before)
        {
            if (!services.ContainsKey(name))
                health.Dispose();
        }
        FollowChecks(model);
    }

    public void Dispose()
    {
        foreach (var prober in _probers.Values)
            prober.Dispose();
        foreach (var service in _services.Values)
            service.Dispose();
        // The slots stay: a check that is ending gives its slot back.
    }

    private ServiceHealth? Find(string name) => Volatile.Read(ref _services).GetValueOrDefault(name);

    private void FollowChecks(GatewayModel model)
    {
        var wanted = new HashSet<EndpointState>();
        foreach (var service in model.Services.Values)
        {
            if (!service.Config.IsChecked)
                continue;
            for (var index = 0; index < service.Endpoints.Length; index++)
            {
                wanted.Add(service.Endpoints[index]);
                Check(service, index);
            }
        }

        foreach (var (endpoint, prober) in _probers.ToArray())
        {
            if (!wanted.Contains(endpoint) && _probers.Remove(endpoint))
                prober.Dispose();
        }
    }

    private void Check(ServiceModel service, int index)
    {
        var endpoint = service.Endpoints[index];
        var earlier = _probers.GetValueOrDefault(endpoint);
        if (earlier is not null && earlier.Fits(service.Config, service.Found[index]))
            return;
        _slots ??= new SemaphoreSlim(MaxChecks, MaxChecks);
        var prober = new EndpointProber(service, index, _slots, runtime.Clock);
        _probers[endpoint] = prober;
        earlier?.Dispose();
        prober.Start(earlier?.Ended ?? Task.CompletedTask);
    }
}
