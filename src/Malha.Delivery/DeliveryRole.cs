using Malha.Configuration;
using Malha.Delivery.Deferral;
using Malha.Delivery.Dispatch;
using Malha.Delivery.Kafka;
using Malha.Delivery.Log;
using Malha.Proxy;

namespace Malha.Delivery;

/// <summary>
/// Keeps the durable lane at what the configuration in force says: absent when it does not ask for one, opened when a reload brings one, moved when its folder changes. A log that cannot
/// be opened keeps the gateway from starting; on a reload it leaves requests undeferred, and the log says so.
/// </summary>
internal sealed class DeliveryRole : IAsyncDisposable
{
    private readonly GatewayHost _gateway;
    private Lane? _lane;
    private Task _applied = Task.CompletedTask;
    private bool _ended;

    private DeliveryRole(GatewayHost gateway) => _gateway = gateway;

    /// <summary>The lane that runs; null: there is none.</summary>
    public Lane? Lane => Volatile.Read(ref _lane);

    /// <summary>Completes when what the configuration of by then asks for is done.</summary>
    public Task Applied => Volatile.Read(ref _applied);

    /// <summary>Opens what the configuration asks for. Null with the problem when that is not possible.</summary>
    public static DeliveryRole? Start(GatewayHost gateway, out string? problem)
    {
        problem = null;
        var role = new DeliveryRole(gateway);
        if (gateway.Plane.Model.Config.Delivery is { } config && !role.TryOpen(config, out problem))
            return null;
        gateway.RoleMetrics = () => role.Lane is { } lane ? LaneMetricsReader.Read(lane) : [];
        gateway.Changed += role.OnChanged;
        return role;
    }

    /// <summary>Where a lane's log is.</summary>
    public static string PathOf(DeliveryConfig config) =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(config.Source.File)) ?? "/", config.Path));

    /// <summary>How the embedded log is opened.</summary>
    public static EmbeddedLogConfig LogOf(DeliveryConfig config) =>
        new() { Path = PathOf(config), MaxBodyBytes = (int)config.MaxBody, MinimumFreeBytes = config.MinFree, ReserveBytes = Math.Min(32L << 20, config.MinFree / 2) };

    /// <summary>Begins with no further delivery and waits for those under way. What is accepted meanwhile is kept.</summary>
    public Task DrainAsync(TimeSpan patience) => Lane is { } lane ? lane.Dispatcher.DrainAsync(patience) : Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _gateway.Changed -= OnChanged;
        Volatile.Write(ref _ended, true);
        await Applied;
        await CloseAsync();
    }

    // What takes time happens elsewhere, one after the other.
    private void OnChanged() => Volatile.Write(ref _applied, ApplyAfterAsync(Applied));

    private async Task ApplyAfterAsync(Task earlier)
    {
        await earlier.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        if (Volatile.Read(ref _ended))
            return;
        var config = _gateway.Plane.Model.Config.Delivery;
        if (Lane is { } lane && config is not null && PathOf(config) == PathOf(lane.Settings.Config) && config.MaxBody == lane.Settings.Config.MaxBody
            && config.MinFree == lane.Settings.Config.MinFree && config.Engine == lane.Settings.Config.Engine && Equals(config.Kafka, lane.Settings.Config.Kafka))
        {
            lane.Update(config);
            return;
        }
        await CloseAsync();
        if (config is not null && !TryOpen(config, out var problem))
            _gateway.Telemetry.Events.Error("delivery-unavailable", ("problem", problem!));
    }

    private bool TryOpen(DeliveryConfig config, out string? problem)
    {
        IOperationStore? store = config.Engine == DeliveryEngine.Kafka ? OpenKafka(config, out problem) : OpenEmbedded(config, out problem);
        if (store is null)
            return false;
        var lane = new Lane(_gateway, store, config, Path.Combine(PathOf(config), "bodies"));
        _gateway.Plane.Deferral = new LaneDeferral(lane);
        lane.Dispatcher.Start();
        lane.Callbacks.Start();
        Volatile.Write(ref _lane, lane);
        return true;
    }

    private EmbeddedLog? OpenEmbedded(DeliveryConfig config, out string? problem)
    {
        var (report, log) = EmbeddedLog.Open(LogOf(config), _gateway.Plane.Time);
        problem = log is null ? $"{config.Source}: delivery: {report.Message}" : null;
        if (log is not null && report.Message.Length > 0)
            _gateway.Telemetry.Events.Warning("delivery-log", ("found", report.Message));
        return log;
    }

    // A method of its own: without it Kafka's library is not loaded.
    private KafkaStore? OpenKafka(DeliveryConfig config, out string? problem)
    {
        var (found, store) = KafkaStore.Open(config, LogOf(config), lane => _gateway.Plane.Model.Services.ContainsKey(lane), _gateway.Plane.Time);
        problem = store is null ? $"{config.Source}: delivery: {found}" : null;
        return store;
    }

    private async Task CloseAsync()
    {
        if (Lane is not { } lane)
            return;
        _gateway.Plane.Deferral = null;
        Volatile.Write(ref _lane, null);
        await lane.Dispatcher.DrainAsync(GatewayHost.DrainPatience);
        await lane.DisposeAsync();
    }
}
