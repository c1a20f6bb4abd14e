using System.Net.Sockets;
using Malha.Proxy;
using Malha.Proxy.SelfProtection;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Timing;
using Malha.Tests.Telemetry;
using Microsoft.Extensions.Time.Testing;
using Yaml = Malha.Tests.Configuration.Yaml;

namespace Malha.Tests.SelfProtection;

public sealed class OverloadMonitorTests : IDisposable
{
    private const string Classes = """
        listeners: { edge: { address: "127.0.0.1:0" } }
        classes: { critical: { share: 50% }, batch: { share: 50% } }
        clients: { billing: { header: { name: X-Team, value: billing }, class: critical }, anyone: { any: true, class: batch } }
        services: { upstream: { endpoints: [ "127.0.0.1:9" ] } }
        routes: [ { service: upstream } ]
        """;

    private readonly FakeTimeProvider _time = new();
    private readonly EventLog _events;
    private readonly TimerWheel _wheel;
    private readonly OverloadMonitor _monitor;
    private ProtectionReadings _readings;
    private Action? _meanwhile;

    public OverloadMonitorTests()
    {
        _events = new EventLog(null, _time);
        _wheel = new TimerWheel(_time);
        _monitor = new OverloadMonitor(_wheel, _time, _events, monitor =>
        {
            var readings = _readings with { Connections = monitor.Connections };
            _meanwhile?.Invoke();
            return readings;
        });
        _monitor.Update(new ProtectionLimits(Memory: 1000, Files: 100, Connections: 50, Buffers: BudgetUse.Unlimited));
    }

    public void Dispose()
    {
        _monitor.Dispose();
        _wheel.Dispose();
    }

    [Fact]
    public void Stage_follows_the_budget_of_which_most_is_used()
    {
        _readings = new(Memory: 799, Files: 10, 0, 0);
        Assert.Equal((ProtectionStage.Normal, BudgetKind.Memory), Look());
        _readings = new(Memory: 850, Files: 92, 0, 0);
        Assert.Equal((ProtectionStage.Shedding, BudgetKind.Files), Look());
        _readings = new(Memory: 960, Files: 92, 0, 0);
        Assert.Equal((ProtectionStage.NotAccepting, BudgetKind.Memory), Look());
        Assert.False(_monitor.Accepts());
        _readings = new(Memory: 890, Files: 10, 0, 0);
        Assert.Equal((ProtectionStage.Shedding, BudgetKind.Memory), Look());
        Assert.True(_monitor.Accepts());
        _readings = default;
        Assert.Equal(ProtectionStage.Normal, Look().Stage);
        Assert.True(_monitor.KeepsAlive);
        // What nobody watches decides nothing.
        _readings = new(0, 0, 0, Buffers: 1 << 30);
        Assert.Equal(ProtectionStage.Normal, Look().Stage);
    }

    [Fact]
    public void Flood_of_connections_is_noticed_before_the_next_look()
    {
        Look();
        Open(39);
        Assert.Equal(ProtectionStage.Normal, _monitor.Stage);
        Open(1);
        Assert.Equal(ProtectionStage.NoKeepAlive, _monitor.Stage);
        Open(5);
        Assert.Equal(ProtectionStage.Shedding, _monitor.Stage);
        Open(3);
        Assert.Equal(ProtectionStage.NotAccepting, _monitor.Stage);
        for (var count = 0; count < 30; count++)
            _monitor.Closed();
        Assert.Equal(ProtectionStage.Normal, Look().Stage);
    }

    [Fact]
    public async Task Flood_is_held_back_also_while_a_look_takes_its_time_and_is_told_when_to_go_on()
    {
        var acted = new SemaphoreSlim(0);
        _monitor.Act = _ => acted.Release();
        Look();
        var accepts = true;
        _meanwhile = () =>
        {
            Open(49);
            accepts = _monitor.Accepts();
            for (var count = 0; count < 49; count++)
                _monitor.Closed();
            _meanwhile = null;
        };
        Assert.Equal(ProtectionStage.Normal, Look().Stage);
        Assert.False(accepts);
        Assert.True(_monitor.Accepts());
        Assert.True(await acted.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Files_for_endpoints_end_with_the_budget_and_come_back_with_it()
    {
        _readings = default(ProtectionReadings) with { Files = 97 };
        Look();
        for (var file = 0; file < 3; file++)
        {
            Assert.True(_monitor.TryOpenFile());
            _readings = _readings with { Files = _readings.Files + 1 };
        }
        Assert.False(_monitor.TryOpenFile());
        var refusal = _monitor.OutOfFiles();
        Assert.Equal(("protection.files", 100d, 100d, "files"), (refusal.Rule, refusal.Limit, refusal.Observed, refusal.Unit));
        // One is closed between two looks.
        _readings = _readings with { Files = 99 };
        Assert.True(_monitor.TryOpenFile());
        // There should be some, and the system gives none.
        Assert.Null(_monitor.OutOfFiles().Unit);
        _monitor.Update(ProtectionLimits.None);
        Assert.All(Enumerable.Range(0, 1_000), _ => Assert.True(_monitor.TryOpenFile()));
    }

    [Fact]
    public async Task Each_change_is_told_once_and_acted_upon_until_it_is_over()
    {
        var acted = new SemaphoreSlim(0);
        _monitor.Act = _ => acted.Release();
        _readings = new(Memory: 910, 0, 0, 0);
        for (var look = 0; look < 5; look++)
        {
            Look();
            Assert.True(await acted.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        }
        _readings = default;
        Look();
        Assert.True(await acted.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Look();
        Assert.Equal(0, acted.CurrentCount);
        var told = Latest();
        Assert.Equal([(EventLevel.Warning, "shedding", "memory", 910d, 1000d), (EventLevel.Info, "normal", "memory", 0, 1000)],
            told.Select(one => (one.Level, Field(one, "stage").Text, Field(one, "budget").Text, Field(one, "used").Number, Field(one, "limit").Number)));
    }

    [Fact]
    public async Task Failed_accepts_are_all_counted_and_told_now_and_then()
    {
        var told = new SemaphoreSlim(0);
        _events.Follow(_ => told.Release());
        _time.Advance(TimeSpan.FromSeconds(1));
        for (var second = 0; second < 15; second++)
        {
            _monitor.AcceptFailed(SocketError.TooManyOpenSockets);
            if (second is 0 or 10)
                Assert.True(await told.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.Equal(15, _monitor.FailedAccepts);
        Assert.Equal([("accept-failed", 1d), ("accept-failed", 11)], Latest().Select(one => (one.Name, Field(one, "times").Number)));
    }

    [Fact]
    public void Lowest_class_alone_is_shed_and_told_which_budget_it_was()
    {
        using var exchanges = new TestExchanges(Yaml.Good(Classes), _time, new GatewayTelemetry(_time));
        Crowd(exchanges.Host, limit: 10, connections: 9);
        Assert.Equal(Refusal.None, Judge(exchanges, "X-Team: billing\r\n"));
        var refusal = Judge(exchanges, "");
        Assert.Equal(new Refusal(RefusalKind.SelfProtection, Rule: "protection.connections", Limit: 10, Observed: 9, Unit: "connections", RetryAfterMs: 1_000), refusal);
        Assert.Equal(503, refusal.Status);
        Assert.Equal(1, exchanges.Host.Plane.Protection.Refused);
    }

    [Fact]
    public void Without_classes_every_second_request_is_shed()
    {
        using var exchanges = new TestExchanges(_time, new GatewayTelemetry(_time));
        for (var request = 0; request < 10; request++)
            Assert.True(Judge(exchanges, "").IsNone);
        Crowd(exchanges.Host, limit: 10, connections: 9);
        Assert.Equal(5, Enumerable.Range(0, 10).Count(_ => !Judge(exchanges, "").IsNone));
    }

    [Fact]
    public async Task Refusing_allocates_nothing()
    {
        using var exchanges = new TestExchanges(Yaml.Good(Classes), _time, new GatewayTelemetry(_time));
        Crowd(exchanges.Host, limit: 10, connections: 9);
        var pipeline = exchanges.Host.Plane.Pipeline;
        var shed = Enumerable.Range(0, 300).Select(_ => exchanges.Arrive()).ToArray();
        // A connection's address becomes text once.
        foreach (var exchange in shed)
            Assert.Equal(9, exchange.Connection.ClientAddress.Length);
        // What is made once, for all, may fall into any of the rounds, but not into each.
        var least = long.MaxValue;
        foreach (var round in shed.Chunk(50))
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            foreach (var exchange in round)
            {
                // All ends at once, on this thread.
                if (!await pipeline.RunAsync(exchange) || exchange.Response.Status != 503)
                    Assert.Fail($"answered {exchange.Response.Status}");
                // Its buffer goes back to the pool, as at the end of an exchange.
                exchange.Response.Reset();
            }
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(0, least);
        Assert.Equal(300, exchanges.Host.Plane.Protection.Refused);
    }

    private static Refusal Judge(TestExchanges exchanges, string fields)
    {
        var exchange = exchanges.Arrive(fields);
        Assert.True(exchange.Model.Identity.Identify(exchange).IsNone);
        return exchanges.Host.Plane.Protection.Judge(exchange);
    }

    private static void Crowd(GatewayHost host, int limit, int connections)
    {
        host.Plane.Protection.Update(ProtectionLimits.None with { Connections = limit });
        for (var count = 0; count < connections; count++)
            host.Plane.Protection.Opened();
    }

    private (ProtectionStage Stage, BudgetKind Kind) Look()
    {
        _time.Advance(TimeSpan.FromMilliseconds(OverloadMonitor.IntervalMs + (2 * TimerWheel.TickMs)));
        return (_monitor.Stage, _monitor.Verdict.Tightest.Kind);
    }

    private void Open(int count)
    {
        for (; count > 0; count--)
            _monitor.Opened();
    }

    private OperationalEvent[] Latest()
    {
        Action<OperationalEvent> nobody = _ => { };
        var latest = _events.Follow(nobody);
        _events.Unfollow(nobody);
        return latest;
    }

    private static EventField Field(OperationalEvent one, string name) => Array.Find(one.Fields, field => field.Name == name);
}
