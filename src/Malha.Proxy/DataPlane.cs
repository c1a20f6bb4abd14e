using Malha.Proxy.Deferral;
using Malha.Proxy.SelfProtection;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>What all connections share: the clock and its wheel, the pipeline, the pool of exchanges, and the configuration in force.</summary>
internal sealed class DataPlane : IDisposable
{
    /// <summary>The wheel ticks a hundred times a second; when it has stood still for so long, no deadline holds any more.</summary>
    public const long MaxWheelLagMs = 10_000;

    private readonly ThreadLocal<LocalStack<Exchange>> _exchanges;
    private readonly ProcessUse _process;
    private GatewayModel _model;
    private IDeferral? _deferral;

    public DataPlane(TimeProvider time, GatewayModel model, GatewayRuntime runtime)
    {
        Time = time;
        Telemetry = runtime.Telemetry;
        Wheel = runtime.Wheel;
        Clock = runtime.Clock;
        Date = new HttpDate(time);
        _model = model;
        _process = new ProcessUse(time);
        Protection = new OverloadMonitor(Wheel, time, Telemetry.Events, monitor => _process.Read(monitor, OpenUpstream()))
        {
            Count = monitor => _process.CountFiles(() => monitor.Connections + OpenUpstream()),
        };
        Pipeline = new ProxyPipeline(this);
        var shared = new Depot<Exchange>();
        _exchanges = new ThreadLocal<LocalStack<Exchange>>(() => new LocalStack<Exchange>(shared));
    }

    public TimeProvider Time { get; }

    public TimerWheel Wheel { get; }

    /// <summary>The policies' time line.</summary>
    public Clock Clock { get; }

    public HttpDate Date { get; }

    public GatewayTelemetry Telemetry { get; }

    public ProxyPipeline Pipeline { get; }

    /// <summary>The durable lane; null: nothing is accepted for later.</summary>
    public IDeferral? Deferral
    {
        get => Volatile.Read(ref _deferral);
        set => Volatile.Write(ref _deferral, value);
    }

    /// <summary>What the gateway uses of its machine, and what it gives up for that.</summary>
    public OverloadMonitor Protection { get; }

    public GatewayModel Model => Volatile.Read(ref _model);

    public void Swap(GatewayModel model) => Volatile.Write(ref _model, model);

    public Exchange RentExchange() =>
        _exchanges.Value!.TryPop(out var exchange) ? exchange : new Exchange(Entropy.NextSeed(), Clock);

    public void ReturnExchange(Exchange exchange)
    {
        exchange.Reset();
        if (!_exchanges.Value!.TryPush(exchange))
            Wheel.Remove(exchange.Response);
    }

    /// <summary>A bug has cost a connection.</summary>
    public void Failed(Exception exception) => Telemetry.Events.Error("bug", ("exception", exception.ToString()));

    public void Dispose()
    {
        Protection.Dispose();
        Wheel.Dispose();
        _exchanges.Dispose();
        _process.Dispose();
    }

    private long OpenUpstream()
    {
        var open = 0L;
        foreach (var service in Model.Services.Values)
        {
            foreach (var endpoint in service.Endpoints)
                open += endpoint.Open;
        }
        return open;
    }
}
