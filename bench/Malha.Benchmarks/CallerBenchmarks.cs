using System.Net;
using System.Text;
using BenchmarkDotNet.Attributes;
using Malha.Configuration;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;

namespace Malha.Benchmarks;

/// <summary>What it costs to know who calls and how much he may: from a parsed head to a verdict, and to the bytes of a refusal.</summary>
[MemoryDiagnoser]
public class CallerBenchmarks
{
    private const int Keys = 10_000;

    private readonly byte[] _fields = new byte[ProblemWriter.MaxFields];
    private readonly byte[] _body = new byte[ProblemWriter.MaxBody];
    private GatewayHost _host = null!;
    private Exchange _key = null!;
    private Exchange _spent = null!;
    private Exchange _wrong = null!;
    private Exchange _anybody = null!;
    private Exchange _flood = null!;

    [GlobalSetup]
    public void Start()
    {
        var clients = string.Concat(Enumerable.Range(0, Keys).Select(number => $"  c{number}: {{ apiKey: env:K{number}, limit: {{ rate: {(number == 0 ? "1/h" : "10000000/s")} }} }}\n"));
        var yaml = $"listeners: {{ edge: {{ address: 127.0.0.1:0 }} }}\nclients:\n{clients}  anyone: {{ any: true, limit: {{ rate: 10000000/s, per: ip }} }}\n"
            + "routes: [ { match: { path: /flood }, limit: 1/h, respond: {} }, { respond: {} } ]\n";
        var config = MalhaConfigReader.Read(yaml, "malha.yaml", new SecretSource("/", name => Key(int.Parse(name[1..], System.Globalization.CultureInfo.InvariantCulture)))).Config!;
        _host = GatewayHost.Start(config, TimeProvider.System, out _)!;
        _key = Arrive($"X-Api-Key: {Key(7)}\r\n");
        _spent = Arrive($"X-Api-Key: {Key(0)}\r\n");
        _wrong = Arrive("X-Api-Key: 00000000000000000000000000000000\r\n");
        _anybody = Arrive("");
        _flood = Arrive("", "/flood");
    }

    [GlobalCleanup]
    public void Stop() => _host.Dispose();

    [Benchmark]
    public bool AnybodyWithinTheLimitOfHisAddress() => Judge(_anybody).IsNone;

    [Benchmark]
    public bool KeyAmongTenThousandWithinItsLimit() => Judge(_key).IsNone;

    [Benchmark]
    public int AnybodyBeyondTheLimitToTheLastByte() => Write(_flood, Judge(_flood));

    [Benchmark]
    public int KeyBeyondItsLimitToTheLastByte() => Write(_spent, Judge(_spent));

    [Benchmark]
    public int WrongKeyToTheLastByte() => Write(_wrong, Judge(_wrong));

    private static Refusal Judge(Exchange exchange)
    {
        exchange.Caller.Reset();
        var identity = exchange.Model.Identity;
        var refusal = identity.Identify(exchange);
        if (refusal.IsNone)
            refusal = identity.Authorize(exchange);
        return refusal.IsNone ? identity.Limit(exchange) : refusal;
    }

    private int Write(Exchange exchange, in Refusal refusal) =>
        ProblemWriter.WriteFields(_fields, exchange, refusal) + ProblemWriter.WriteBody(_body, exchange, refusal);

    private static string Key(int number) => $"{number * 2654435761L:x16}{number:x16}";

    private Exchange Arrive(string fields, string target = "/")
    {
        var head = Encoding.ASCII.GetBytes($"GET {target} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept: */*\r\n{fields}\r\n");
        var exchange = new Exchange(1, _host.Plane.Clock);
        HeadParser.ParseRequest(head, exchange.Request, new HeadLimits(MaxSize: 32 * 1024, MaxFields: 100));
        exchange.Request.Attach(head, 0);
        var connection = new Http1Connection(new NoChannel(), new IPEndPoint(IPAddress.Parse("198.51.100.1"), 50_000), _host.Listeners.First());
        exchange.Begin(connection, _host.Plane.Model, _host.Plane.Time.GetTimestamp());
        exchange.Route = _host.Plane.Model.Routes.Routes[target == "/flood" ? 0 : 1];
        return exchange;
    }

    private sealed class NoChannel : ByteChannel
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
