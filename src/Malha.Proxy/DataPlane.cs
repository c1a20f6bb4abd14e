using System.Security.Cryptography;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>What all connections share: the clock and its wheel, the pipeline, the pool of exchanges, and the configuration in force.</summary>
internal sealed class DataPlane : IDisposable
{
    private readonly ThreadLocal<LocalStack<Exchange>> _exchanges;
    private GatewayModel _model;

    public DataPlane(TimeProvider time, GatewayModel model, GatewayRuntime runtime)
    {
        Time = time;
        Telemetry = runtime.Telemetry;
        Wheel = runtime.Wheel;
        Clock = runtime.Clock;
        Date = new HttpDate(time);
        Pipeline = new ProxyPipeline(this);
        _model = model;
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

    public GatewayModel Model => Volatile.Read(ref _model);

    public void Swap(GatewayModel model) => Volatile.Write(ref _model, model);

    public Exchange RentExchange() =>
        _exchanges.Value!.TryPop(out var exchange) ? exchange : new Exchange(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)), Clock);

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
        Wheel.Dispose();
        _exchanges.Dispose();
    }
}
