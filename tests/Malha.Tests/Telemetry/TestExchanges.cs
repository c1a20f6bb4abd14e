using System.Net;
using System.Text;
using Malha.Configuration;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Transport;

namespace Malha.Tests.Telemetry;

/// <summary>Exchanges as the pipeline leaves them, without a client or an endpoint.</summary>
internal sealed class TestExchanges : IDisposable
{
    private readonly GatewayHost _host;
    private ulong _seed = 1;

    public TestExchanges(TimeProvider time, GatewayTelemetry telemetry)
        : this(MalhaConfig.ForUpstream(new Uri("http://127.0.0.1:9"), ListenAddress.Parse("127.0.0.1:0")), time, telemetry)
    {
    }

    public TestExchanges(MalhaConfig config, TimeProvider time, GatewayTelemetry telemetry)
    {
        _host = GatewayHost.Start(config, time, out var problem, telemetry) ?? throw new InvalidOperationException(problem);
    }

    public GatewayHost Host => _host;

    /// <summary>An exchange that was routed, with the service's endpoint asked once.</summary>
    public Exchange Make(string target = "/", Refusal refusal = default, string? requestId = null)
    {
        var plane = _host.Plane;
        var head = Encoding.Latin1.GetBytes($"GET {target} HTTP/1.1\r\nHost: shop.example\r\n{(requestId is null ? "" : $"X-Request-Id: {requestId}\r\n")}\r\n");
        var exchange = new Exchange(_seed++, plane.Clock);
        exchange.Request.Attach(head, 0);
        HeadParser.ParseRequest(head, exchange.Request, new HeadLimits(MaxSize: 32 * 1024, MaxFields: 100));
        var connection = new Http1Connection(new SilentChannel(), new IPEndPoint(IPAddress.Loopback, 50_000), _host.Listeners.First());
        exchange.Begin(connection, plane.Model, plane.Time.GetTimestamp());
        exchange.Response.Begin(connection, exchange.Request);
        exchange.Route = plane.Model.Routes.Routes[0];
        exchange.Service = plane.Model.Services["upstream"];
        exchange.Refusal = refusal;
        exchange.Attempts = 1;
        plane.Telemetry.Began(exchange);
        exchange.Attempt.Begin(exchange.Service.Endpoints[0], default, admission: null);
        plane.Telemetry.AttemptBegan(exchange, exchange.Attempt);
        return exchange;
    }

    /// <summary>An exchange of which only the head has come, from an address.</summary>
    public Exchange Arrive(string fields = "", string peer = "127.0.0.1", string target = "/")
    {
        var head = Encoding.Latin1.GetBytes($"GET {target} HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n");
        var exchange = new Exchange(_seed++, _host.Plane.Clock);
        HeadParser.ParseRequest(head, exchange.Request, new HeadLimits(MaxSize: 32 * 1024, MaxFields: 100));
        exchange.Request.Attach(head, 0);
        RequestGuard.Inspect(exchange.Request);
        var connection = new Http1Connection(new SilentChannel(), new IPEndPoint(IPAddress.Parse(peer), 50_000), _host.Listeners.First());
        exchange.Begin(connection, _host.Plane.Model, _host.Plane.Time.GetTimestamp());
        exchange.Response.Begin(connection, exchange.Request);
        return exchange;
    }

    public void Dispose() => _host.Dispose();

    private sealed class SilentChannel : ByteChannel
    {
        public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => new(0);

        public override ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer) => new(true);

        public override void ShutdownSend()
        {
        }

        public override void ShutdownReceive()
        {
        }

        public override void Abort()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
