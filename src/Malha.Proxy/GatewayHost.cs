using System.Net.Sockets;
using System.Security.Cryptography;
using Malha.Configuration;
using Malha.Proxy.Downstream;
using Malha.Proxy.Timing;

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
    private readonly TimerWheel _wheel;
    private Dictionary<string, Http1Listener> _listeners = [];

    private GatewayHost(DataPlane plane, TimerWheel wheel)
    {
        Plane = plane;
        _wheel = wheel;
    }

    public DataPlane Plane { get; }

    /// <summary>How the last reload ended; null before the first.</summary>
    public ReloadStatus? LastReload { get; set; }

    public IReadOnlyCollection<Http1Listener> Listeners => Volatile.Read(ref _listeners).Values;

    /// <summary>Makes a gateway and binds its listeners. Null with the problem when that is not possible.</summary>
    public static GatewayHost? Start(MalhaConfig config, TimeProvider time, out string? problem)
    {
        var wheel = new TimerWheel(time);
        GatewayHost? host = null;
        try
        {
            host = new GatewayHost(new DataPlane(time, GatewayModel.Compile(config, previous: null, wheel), wheel), wheel);
            problem = host.Bind(config, out var listeners);
            if (problem is null)
            {
                host._listeners = listeners;
                foreach (var listener in listeners.Values)
                    listener.Start();
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
            var model = GatewayModel.Compile(config, before, _wheel);
            if (Bind(config, out var listeners) is { } problem)
                return problem;

            Plane.Swap(model);
            var removed = _listeners.Values.Except(listeners.Values).ToList();
            var added = listeners.Values.Except(_listeners.Values).ToList();
            Volatile.Write(ref _listeners, listeners);
            foreach (var (name, listener) in listeners)
                listener.Update(config.Listeners[name]);
            foreach (var listener in added)
                listener.Start();
            foreach (var listener in removed)
                _ = listener.DrainAsync(DrainPatience);
            before.RetireAllBut(model);
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

    /// <summary>Stops accepting and waits for what is under way.</summary>
    public Task DrainAsync(TimeSpan patience) => Task.WhenAll(Listeners.Select(listener => listener.DrainAsync(patience)));

    public void Dispose()
    {
        foreach (var listener in Listeners)
            listener.Dispose();
        Plane.Dispose();
        _reloading.Dispose();
    }

    // Listeners for the configuration: those that stay as they are, and new ones, bound but not yet accepting. What counts is the address:
    // two may change names, or one get another name, without a port being given up.
    private string? Bind(MalhaConfig config, out Dictionary<string, Http1Listener> listeners)
    {
        listeners = [];
        var bound = new List<Http1Listener>();
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
                bound.Add(new Http1Listener(Plane, listener));
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

    private static string Describe(SocketException exception) => exception.SocketErrorCode switch
    {
        SocketError.AddressAlreadyInUse => "the port is taken by another program",
        SocketError.AccessDenied => "not allowed (ports below 1024 need root or CAP_NET_BIND_SERVICE)",
        SocketError.AddressNotAvailable => "this machine has no such address",
        _ => exception.Message,
    };
}
