using System.Net.Sockets;
using System.Security.Cryptography;
using Malha.Configuration;
using Malha.Proxy.Discovery;
using Malha.Proxy.Downstream;
using Malha.Proxy.Health;
using Malha.Proxy.SelfProtection;
using Malha.Proxy.Sharing;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Telemetry.Metrics;
using Malha.Proxy.Telemetry.Otlp;
using Malha.Proxy.Timing;
using Malha.Proxy.Tls;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>
/// A gateway that runs: its listeners over one data plane, and the configuration in force. A reload is all or nothing: what needs a
/// socket is bound before anything is swapped, and a problem leaves everything as it was.
/// </summary>
internal sealed class GatewayHost : IDisposable
{
    /// <summary>How long exchanges may take to finish when a listener goes (nginx's worker_shutdown_timeout has none, Envoy drains up to 600 s).</summary>
    public static readonly TimeSpan DrainPatience = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _reloading = new(1, 1);
    private readonly GatewayRuntime _runtime;
    private readonly HealthMonitor _health;
    private readonly SharingMonitor _sharing;
    private readonly DnsWatch _dns;
    private readonly CertificateWatch _certificates;
    private readonly MachineLimits _machine = MachineLimits.Read();
    private Dictionary<string, ClientListener> _listeners = [];
    private volatile bool _isDisposed;

    private GatewayHost(MalhaConfig config, GatewayRuntime runtime, TimeProvider time)
    {
        _runtime = runtime;
        _dns = new DnsWatch(time, runtime.Telemetry.Events, () => _ = RefreshAsync());
        // Waits for the names of the configuration, if it has any.
        _dns.PrepareAsync(config).GetAwaiter().GetResult();
        var plane = new DataPlane(time, GatewayModel.Compile(config, previous: null, runtime, _dns), runtime);
        Plane = plane;
        _health = new HealthMonitor(runtime);
        _sharing = new SharingMonitor(runtime, plane.Time);
        Export = new TelemetryExport(this, runtime);
        _certificates = new CertificateWatch(plane.Time, plane.Telemetry.Events);
        plane.Protection.Act = new PressureRelief(this).Act;
    }

    public DataPlane Plane { get; }

    public GatewayTelemetry Telemetry => Plane.Telemetry;

    /// <summary>Limits that are counted together with other gateways; null when each counts its own.</summary>
    public SharedLimits? SharedLimits => _sharing.Limits;

    /// <summary>What is sent to a collector.</summary>
    public TelemetryExport Export { get; }

    /// <summary>The metrics of a role beside the data plane; null: none.</summary>
    public Func<IEnumerable<MetricFamily>>? RoleMetrics { get; set; }

    /// <summary>All metrics, as they are now.</summary>
    public IEnumerable<MetricFamily> ReadMetrics() => GatewayMetricsReader.Read(this).Concat(RoleMetrics?.Invoke() ?? []);

    /// <summary>The names under which endpoints are found.</summary>
    public IReadOnlyCollection<DnsName> DnsNames => _dns.Names;

    /// <summary>How the last reload ended; null before the first.</summary>
    public ReloadStatus? LastReload { get; private set; }

    /// <summary>When the configuration in force came into force.</summary>
    public DateTimeOffset LoadedAt { get; private set; }

    /// <summary>Whether it stops: it serves what it has, and should get nothing new.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>Raised when another configuration has come into force, before <see cref="ReloadAsync"/> ends: whoever hears it must not hold it up.</summary>
    public event Action? Changed;

    public IReadOnlyCollection<ClientListener> Listeners => Volatile.Read(ref _listeners).Values;

    /// <summary>Makes a gateway and binds its listeners. Null with the problem when that is not possible.</summary>
    /// <param name="config">The configuration to begin with.</param>
    /// <param name="time">The clock of everything.</param>
    /// <param name="problem">What kept it from starting; null when it runs.</param>
    /// <param name="telemetry">Whom it tells; null: itself, and nobody reads it.</param>
    /// <param name="prepare">What must be there before the first request is accepted; its answer is why it cannot be, null when it is.</param>
    public static GatewayHost? Start(
        MalhaConfig config, TimeProvider time, out string? problem, GatewayTelemetry? telemetry = null, Func<GatewayHost, string?>? prepare = null)
    {
        telemetry ??= new GatewayTelemetry(time);
        var wheel = new TimerWheel(time);
        var runtime = new GatewayRuntime(wheel, new Clock(time), new Chance(Entropy.NextSeed()), telemetry);
        GatewayHost? host = null;
        try
        {
            host = new GatewayHost(config, runtime, time);
            problem = host.Bind(config, host.Certificates(config), out var listeners);
            if (problem is null)
            {
                host._listeners = listeners;
                host.BringIn(host.Plane.Model);
                telemetry.Follow(host.Plane.Model);
                host.LoadedAt = time.GetUtcNow();
                host.Plane.Protection.Update(ProtectionLimits.Of(config.Protection, host._machine));
                problem = prepare?.Invoke(host);
            }
            if (problem is null)
            {
                foreach (var listener in listeners.Values)
                    host.StartListener(listener);
                host._certificates.Follow(listeners.Values);
                // What DNS has said since, late, while there was nothing to change.
                if (host.DnsNames.Count > 0)
                    _ = host.RefreshAsync();
                return host;
            }
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = exception.Message;
        }
        host?.Dispose();
        wheel.Dispose();
        return null;
    }

    /// <summary>Brings another configuration into force. Returns the problem that kept it from that, or null.</summary>
    public async Task<string?> ReloadAsync(MalhaConfig config)
    {
        await _reloading.WaitAsync();
        try
        {
            var before = Plane.Model;
            await _dns.PrepareAsync(config);
            var model = GatewayModel.Compile(config, before, _runtime, _dns);
            var tls = Certificates(config);
            if (Bind(config, tls, out var listeners) is { } problem)
                return problem;

            BringIn(model);
            Plane.Protection.Update(ProtectionLimits.Of(config.Protection, _machine));
            LoadedAt = Plane.Time.GetUtcNow();
            var removed = _listeners.Values.Except(listeners.Values).ToList();
            var added = listeners.Values.Except(_listeners.Values).ToList();
            Volatile.Write(ref _listeners, listeners);
            foreach (var (name, listener) in listeners)
                listener.Update(config.Listeners[name], tls[name]);
            foreach (var listener in added)
                StartListener(listener);
            foreach (var listener in removed)
                _ = listener.DrainAsync(DrainPatience);
            _certificates.Follow(listeners.Values);
            before.RetireAllBut(model);
            Telemetry.Follow(model);
            _dns.Follow(config);
            Changed?.Invoke();
            return null;
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return exception.Message;
        }
        finally
        {
            _reloading.Release();
        }
    }

    /// <summary>Notes how a reload ended, good or bad.</summary>
    public void Reloaded(ReloadStatus status)
    {
        LastReload = status;
        Telemetry.Reloads.Count(status.IsGood);
        if (status.IsGood)
            Telemetry.Events.Info("reloaded", ("version", status.Version));
        foreach (var problem in status.Problems)
            Telemetry.Events.Error("reload-refused", ("version", status.Version), ("problem", problem));
    }

    /// <summary>An operator's word for the breakers of a service, or for one of them.</summary>
    public void SetBreaker(ServiceModel service, EndpointState? only, BreakerMode mode, TimeSpan? timeToLive)
    {
        foreach (var endpoint in service.Endpoints.Where(one => only is null || one == only))
        {
            endpoint.SetBreaker(mode, timeToLive, service.Config.Name, _runtime);
            EventField[] fields = [("service", service.Config.Name), ("endpoint", endpoint.Name), ("mode", BreakerNames.Of(mode))];
            var holds = (timeToLive ?? Malha.Resilience.Defaults.BreakerManualTimeToLive).TotalMilliseconds;
            Telemetry.Events.Warning("breaker-mode", mode == BreakerMode.Auto ? fields : [.. fields, ("forMs", holds)]);
        }
    }

    /// <summary>Lets an endpoint run empty, or takes that back.</summary>
    public void Drain(ServiceModel service, EndpointState endpoint, bool isDraining)
    {
        endpoint.Drain(isDraining);
        Telemetry.Events.Warning(
            isDraining ? "endpoint-draining" : "endpoint-undrained", ("service", service.Config.Name), ("endpoint", endpoint.Name), ("inFlight", endpoint.InFlight));
    }

    /// <summary>Stops accepting and waits for what is under way.</summary>
    public Task DrainAsync(TimeSpan patience)
    {
        IsDraining = true;
        Telemetry.Events.Info("draining", ("connections", Listeners.Sum(listener => listener.Connections)), ("patienceMs", patience.TotalMilliseconds));
        return Task.WhenAll(Listeners.Select(listener => listener.DrainAsync(patience)));
    }

    public void Dispose()
    {
        _isDisposed = true;
        _dns.Dispose();
        foreach (var listener in Listeners)
            listener.Dispose();
        _health.Dispose();
        Export.Dispose();
        _sharing.Dispose();
        _certificates.Dispose();
        Plane.Dispose();
        // The semaphore stays: an answer of DNS may just be waiting for it.
    }

    // DNS has other endpoints for the configuration in force: those that stay keep what they have, those that are gone end with what they carry.
    private async Task RefreshAsync()
    {
        await _reloading.WaitAsync();
        try
        {
            // The first answers come before there is anything to change.
            if (_isDisposed || Volatile.Read(ref _listeners).Count == 0)
                return;
            var before = Plane.Model;
            var model = GatewayModel.Compile(before.Config, before, _runtime, _dns);
            BringIn(model);
            before.RetireAllBut(model);
            Telemetry.Follow(model);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            Telemetry.Events.Error("dns-refused", ("problem", exception.Message));
        }
        finally
        {
            _reloading.Release();
        }
    }

    private void BringIn(GatewayModel model)
    {
        model.TakeEffect(_runtime);
        Plane.Swap(model);
        _health.Follow(model);
        _sharing.Follow(model);
        Export.Follow(model);
    }

    private void StartListener(ClientListener listener)
    {
        listener.Start();
        Telemetry.Events.Info("listening", ("listener", listener.Config.Name), ("address", listener.Address.ToString()));
    }

    // Read before anything else: a certificate that is not good leaves everything as it was.
    private Dictionary<string, ServerTls?> Certificates(MalhaConfig config) =>
        config.Listeners.ToDictionary(one => one.Key, one => ClientListener.Compile(one.Value, _listeners.GetValueOrDefault(one.Key)?.Tls), StringComparer.Ordinal);

    // Listeners for the configuration: those that stay as they are, and new ones, bound but not yet accepting. What counts is the address:
    // two may change names, or one get another name, without a port being given up.
    private string? Bind(MalhaConfig config, Dictionary<string, ServerTls?> tls, out Dictionary<string, ClientListener> listeners)
    {
        listeners = [];
        var bound = new List<ClientListener>();
        var free = _listeners.Values.ToList();
        foreach (var (name, listener) in config.Listeners)
        {
            var kept = free.Find(one => one.Config.Address == listener.Address && one.Config.Name == name)
                ?? free.Find(one => one.Config.Address == listener.Address && !config.Listeners.ContainsKey(one.Config.Name))
                ?? free.Find(one => one.Config.Address == listener.Address && listener.Address.Port != 0);
            if (kept is not null)
            {
                free.Remove(kept);
                listeners.Add(name, kept);
                continue;
            }
            try
            {
                bound.Add(new ClientListener(Plane, listener, tls[name]));
                listeners.Add(name, bound[^1]);
            }
            catch (SocketException exception)
            {
                foreach (var one in bound)
                    one.Dispose();
                return $"{listener.Source}: listeners.{name}: cannot listen on {listener.Address}: {Describe(exception)}";
            }
        }
        return null;
    }

    /// <summary>Why an address cannot be bound, in an operator's words.</summary>
    public static string Describe(SocketException exception) => exception.SocketErrorCode switch
    {
        SocketError.AddressAlreadyInUse => "the port is taken by another program",
        SocketError.AccessDenied => "not allowed (ports below 1024 need root or CAP_NET_BIND_SERVICE)",
        SocketError.AddressNotAvailable => "this machine has no such address",
        _ => exception.Message,
    };
}
