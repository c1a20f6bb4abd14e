using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Malha.Proxy;
using Malha.Proxy.Http1;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Decisions;
using Malha.Proxy.Telemetry.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Telemetry;

public sealed class GatewayTelemetryTests(ITestOutputHelper console) : IDisposable
{
    private static readonly Refusal Late = new(RefusalKind.Deadline, Rule: "services.upstream.timeout", Limit: 15_000, Observed: 15_002, Unit: "ms");

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));
    private readonly MemoryStream _lines = new();
    private LogOutput? _output;

    public void Dispose()
    {
        _output?.Dispose();
        _lines.Dispose();
    }

    [Fact]
    public void A_refusal_is_counted_logged_and_remembered()
    {
        var telemetry = Telemetry();
        using var exchanges = new TestExchanges(_time, telemetry);
        var exchange = exchanges.Make("/pay?token=x", Late, "my-id");
        _time.Advance(TimeSpan.FromSeconds(2));
        telemetry.AttemptEnded(exchange, exchange.Attempt, 0, RefusalKind.Deadline);
        telemetry.Ended(exchange);

        var series = Assert.Single(exchange.Model.RouteMetrics[0].Answers.All()).Read();
        Assert.Equal((504, RefusalKind.Deadline, 1L), (series.Key.Status, series.Key.Failure, series.Count));
        Assert.Equal(TimeSpan.FromSeconds(2), series.Sum);
        Assert.Equal(0, telemetry.Requests.Active(HttpMethodKind.Get, isTls: false));
        Assert.Equal(RefusalKind.Deadline, Assert.Single(exchange.Service!.Endpoints[0].Metrics.Attempts.All()).Key.Failure);

        using var line = JsonDocument.Parse(Lines().Last());
        Assert.Equal("/pay?token=***", line.RootElement.GetProperty("target").GetString());
        Assert.Equal("services.upstream.timeout", line.RootElement.GetProperty("rule").GetString());

        var decision = telemetry.Decisions.Find("my-id")!;
        Assert.Equal(("/pay?token=***", "GET", "127.0.0.1", 504), (decision.Target, decision.Method, decision.Client, decision.Status));
        Assert.Equal(Late, decision.Refusal);
        var attempt = Assert.Single(decision.Attempts);
        Assert.Equal((RefusalKind.Deadline, TimeSpan.FromSeconds(2)), (attempt.Failure, attempt.Duration));
    }

    [Fact]
    public void A_good_answer_is_no_decision_but_a_retried_one_is()
    {
        var telemetry = Telemetry();
        using var exchanges = new TestExchanges(_time, telemetry);
        telemetry.Ended(exchanges.Make());
        Assert.Equal(0, telemetry.Decisions.Count);

        var retried = exchanges.Make(requestId: "retried");
        telemetry.AttemptEnded(retried, retried.Attempt, 0, RefusalKind.ConnectionLost);
        retried.Attempts = 2;
        retried.Attempt.Begin(retried.Service!.Endpoints[0], default, admission: null);
        telemetry.AttemptBegan(retried, retried.Attempt);
        telemetry.AttemptEnded(retried, retried.Attempt, 200);
        telemetry.Ended(retried);
        Assert.Equal([RefusalKind.ConnectionLost, RefusalKind.None], telemetry.Decisions.Find("retried")!.Attempts.Select(attempt => attempt.Failure));
        Assert.Equal(1, retried.Service.Endpoints[0].Metrics.Retries);
    }

    [Fact]
    public void Of_many_attempts_the_first_and_the_last_are_kept()
    {
        var telemetry = Telemetry();
        using var exchanges = new TestExchanges(_time, telemetry);
        var exchange = exchanges.Make(requestId: "many");
        for (var count = 1; count <= 20; count++)
        {
            exchange.Attempts = count;
            exchange.Attempt.Begin(exchange.Service!.Endpoints[0], default, admission: null);
        telemetry.AttemptBegan(exchange, exchange.Attempt);
            telemetry.AttemptEnded(exchange, exchange.Attempt, 500 + count);
        }
        telemetry.Ended(exchange);
        var decision = telemetry.Decisions.Find("many")!;
        Assert.Equal(20, decision.AttemptCount);
        Assert.Equal([501, 502, 503, 504, 505, 506, 507, 520], decision.Attempts.Select(attempt => attempt.Status));
    }

    [Fact]
    public void The_ring_of_decisions_forgets_the_oldest_and_finds_the_latest_of_an_id()
    {
        using var exchanges = new TestExchanges(_time, Telemetry());
        var log = new DecisionLog(8);
        for (var count = 1; count <= 20; count++)
            log.Write(exchanges.Make("/" + count.ToString(CultureInfo.InvariantCulture), Late, $"id-{count % 3}"), _time.GetUtcNow(), TimeSpan.Zero, 504);

        Assert.Equal(20, log.Count);
        Assert.Equal("/20", log.Find("id-2")!.Target);
        Assert.Null(log.Find("id-9"));
        Assert.Equal([20, 19, 18], log.Latest(long.MaxValue, 3).Select(decision => decision.Sequence));
        Assert.Equal([15, 14, 13], log.Latest(16, 100).Select(decision => decision.Sequence));
        Assert.Empty(log.Latest(13, 100));
    }

    [Fact]
    public async Task Decisions_are_never_read_half_written()
    {
        using var exchanges = new TestExchanges(_time, Telemetry());
        // Two slots for four writers: what is read is almost always being overwritten.
        var log = new DecisionLog(2);
        var written = Enumerable.Range(0, 4).Select(index => exchanges.Make("/" + new string((char)('a' + index), 250), new Refusal(RefusalKind.Deadline, Limit: index, Observed: index), $"id-{index}")).ToArray();
        using var done = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var writers = written.Select(exchange => Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
                log.Write(exchange, _time.GetUtcNow(), TimeSpan.FromTicks((long)exchange.Refusal.Limit), (int)exchange.Refusal.Limit);
        })).ToArray();

        var seen = 0;
        while (seen < 20_000)
        {
            foreach (var decision in log.Latest(long.MaxValue, 2))
            {
                seen++;
                Assert.Equal(new string((char)('a' + decision.Status), 250), decision.Target[1..]);
                Assert.Equal((decision.Status, decision.Status, (long)decision.Status), ((int)decision.Refusal.Limit, (int)decision.Refusal.Observed, decision.Duration.Ticks));
                Assert.Equal($"id-{decision.Status}", decision.RequestId);
            }
        }
        await done.CancelAsync();
        await Task.WhenAll(writers);
    }

    [Fact]
    public void Telling_allocates_nothing_and_takes_this_long()
    {
        var telemetry = new GatewayTelemetry(TimeProvider.System);
        using var exchanges = new TestExchanges(TimeProvider.System, telemetry);
        var good = exchanges.Make();
        var refused = exchanges.Make("/pay?token=x", Late);
        Measure("metrics of a request and its attempt", () => Tell(telemetry, good));
        Measure("the same of a refused one, with its decision", () => Tell(telemetry, refused));

        var logging = Telemetry();
        using var logged = new TestExchanges(TimeProvider.System, logging);
        var line = logged.Make("/orders/7?token=x&page=2");
        // Without the writing thread's work: what finds no room is dropped, which costs no less than the copy.
        Measure("with a line of the access log", () => Tell(logging, line));
    }

    private static void Tell(GatewayTelemetry telemetry, Exchange exchange)
    {
        telemetry.Began(exchange);
        exchange.AttemptLog.Reset();
        exchange.Attempt.Begin(exchange.Service!.Endpoints[0], default, admission: null);
        telemetry.AttemptBegan(exchange, exchange.Attempt);
        telemetry.AttemptEnded(exchange, exchange.Attempt, 200);
        telemetry.Ended(exchange);
    }

    private void Measure(string what, Action act)
    {
        const int Batch = 500;
        for (var count = 0; count < 100 * Batch; count++)
            act();
        var allocated = 0L;
        var best = TimeSpan.MaxValue;
        // The best of many short batches: what the machine does beside it lies in the others.
        for (var batch = 0; batch < 1000; batch++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var start = Stopwatch.GetTimestamp();
            for (var count = 0; count < Batch; count++)
                act();
            var elapsed = Stopwatch.GetElapsedTime(start);
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            best = elapsed < best ? elapsed : best;
        }
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {best.TotalNanoseconds / Batch:F0} ns"));
        Assert.Equal(0, allocated);
    }

    private GatewayTelemetry Telemetry() => new(_time, _output ??= new LogOutput(_lines, isTerminal: false));

    private string[] Lines()
    {
        Assert.True(_output!.Flush(TimeSpan.FromSeconds(30)));
        return Encoding.UTF8.GetString(_lines.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
