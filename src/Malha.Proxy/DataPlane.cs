using System.Security.Cryptography;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy;

/// <summary>What all connections share: the clock and its wheel, the pipeline, the pool of exchanges, and the configuration in force.</summary>
internal sealed class DataPlane : IDisposable
{
    private readonly ThreadLocal<LocalStack<Exchange>> _exchanges;
    private GatewayModel _model;

    public DataPlane(TimeProvider time, GatewayModel model, TimerWheel wheel, GatewayTelemetry telemetry)
    {
        Time = time;
        Telemetry = telemetry;
        Wheel = wheel;
        Date = new HttpDate(time);
        Pipeline = new ProxyPipeline(this);
        _model = model;
        var shared = new Depot<Exchange>();
        _exchanges = new ThreadLocal<LocalStack<Exchange>>(() => new LocalStack<Exchange>(shared));
    }

    public TimeProvider Time { get; }

    public TimerWheel Wheel { get; }

    public HttpDate Date { get; }

    public GatewayTelemetry Telemetry { get; }

    public ProxyPipeline Pipeline { get; }

    public GatewayModel Model => Volatile.Read(ref _model);

    public void Swap(GatewayModel model) => Volatile.Write(ref _model, model);

    public Exchange RentExchange() =>
        _exchanges.Value!.TryPop(out var exchange) ? exchange : new Exchange(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)));

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
