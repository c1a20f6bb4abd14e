using Malha.Delivery;
using Malha.Proxy;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.ControlPlane.Api;

/// <summary>
/// Keeps the admin API at what the configuration in force says: absent when it does not ask for one, moved when its address changes. An address that
/// cannot be bound on a reload leaves the API where it is, and the log says so; the traffic does not depend on it.
/// </summary>
internal sealed class AdminRole : IAsyncDisposable
{
    private readonly GatewayHost _gateway;
    private readonly ConfigReloader _reloader;
    private readonly TimeProvider _time;
    private AdminServer? _server;
    private Task _applied = Task.CompletedTask;
    private bool _ended;

    private readonly LaneAccess _lane;

    private AdminRole(GatewayHost gateway, ConfigReloader reloader, TimeProvider time, LaneAccess lane)
    {
        _lane = lane;
        _gateway = gateway;
        _reloader = reloader;
        _time = time;
    }

    /// <summary>The server that runs or is being started; null when the configuration asks for none.</summary>
    public AdminServer? Server => Volatile.Read(ref _server);

    /// <summary>Completes when the API answers, and what the configuration of by then asks for is done.</summary>
    public Task Applied => Volatile.Read(ref _applied);

    /// <summary>Binds what the configuration asks for and builds the rest in the background. Null with the problem when the address cannot be bound.</summary>
    /// <param name="gateway">Whose API it is.</param>
    /// <param name="watcher">Reads the configuration anew; null: there is no file.</param>
    /// <param name="time">The clock of everything.</param>
    /// <param name="problem">Why there is none.</param>
    /// <param name="delivery">The durable lane; null: this gateway has none.</param>
    public static AdminRole? Start(GatewayHost gateway, ConfigFileWatcher? watcher, TimeProvider time, out string? problem, DeliveryRole? delivery = null)
    {
        problem = null;
        var role = new AdminRole(gateway, new ConfigReloader(watcher), time, new LaneAccess(() => delivery?.Lane));
        if (gateway.Plane.Model.Config.Admin is { } config)
        {
            role._server = AdminServer.Bind(gateway, config, role._reloader, time, role._lane, out problem);
            if (role._server is not { } server)
                return null;
            role._applied = Task.Run(() => role.StartAsync(server));
        }
        gateway.Telemetry.Events.Follow(role.OnEvent);
        return role;
    }

    public async ValueTask DisposeAsync()
    {
        _gateway.Telemetry.Events.Unfollow(OnEvent);
        Volatile.Write(ref _ended, true);
        await Applied;
        if (_server is { } server)
            await server.DisposeAsync();
    }

    // Under the log's lock: what takes time happens elsewhere, one after the other.
    private void OnEvent(OperationalEvent entry)
    {
        if (entry.Name == "reloaded")
            Volatile.Write(ref _applied, ApplyAfterAsync(Applied));
    }

    private async Task ApplyAfterAsync(Task earlier)
    {
        await earlier.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var config = _gateway.Plane.Model.Config.Admin;
        var before = _server;
        if (Volatile.Read(ref _ended))
            return;
        if (config?.Address == before?.Config.Address)
        {
            if (config is not null)
                before!.KeepToken(config);
            return;
        }

        AdminServer? server = null;
        if (config is not null)
        {
            server = AdminServer.Bind(_gateway, config, _reloader, _time, _lane, out var problem);
            if (server is null)
            {
                _gateway.Telemetry.Events.Error("admin-unavailable", ("problem", problem!));
                return;
            }
            await StartAsync(server);
        }
        Volatile.Write(ref _server, server);
        if (before is not null)
            await before.DisposeAsync();
    }

    private async Task StartAsync(AdminServer server)
    {
        try
        {
            await server.StartAsync();
        }
        catch (Exception exception)
        {
            // The gateway goes on without it.
            _gateway.Telemetry.Events.Error("admin-unavailable", ("problem", exception.Message));
        }
    }
}
