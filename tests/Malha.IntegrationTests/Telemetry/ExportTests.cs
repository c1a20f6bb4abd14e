using System.Diagnostics;
using System.Diagnostics.Metrics;
using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Malha.IntegrationTests.Telemetry;

/// <summary>What is sent to a collector besides spans, and that no collector, however it behaves, is noticed by requests.</summary>
public sealed class ExportTests : IAsyncLifetime
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    private OtlpReceiver _receiver = null!;

    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _receiver = await OtlpReceiver.StartAsync();

    public ValueTask DisposeAsync() => _receiver.DisposeAsync();

    [Theory]
    [InlineData("http/protobuf")]
    [InlineData("grpc")]
    public async Task Metrics_are_those_of_the_Prometheus_page(string protocol)
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Start(origin, protocol, "interval: 1s");
        for (var count = 0; count < 3; count++)
            Assert.Equal(200, (await gateway.GetAsync()).Status);
        await Eventually.HoldsAsync(() => Last()?.Find(metric => metric.Name == "http.server.request.duration") is { } one && one.Points.Sum(point => point.Value) >= 3, "the requests are told");
        var metrics = Last()!;
        // A family without a value is left out on both sides.
        var told = gateway.Host.ReadMetrics().Where(family => family.Points.Count > 0).Select(family => family.Name).ToHashSet();
        Assert.Empty(metrics.Select(metric => metric.Name).Except(told));
        Assert.InRange(metrics.Count, told.Count - 3, told.Count);
        var duration = metrics.Single(metric => metric.Name == "http.server.request.duration");
        Assert.Equal(("s", "histogram"), (duration.Unit, duration.Kind));
        var point = Assert.Single(duration.Points);
        Assert.Equal(("GET", "200", "/**"), (point.Attributes["http.request.method"], point.Attributes["http.response.status_code"], point.Attributes["http.route"]));
        Assert.Equal((3, 15, 14), ((int)point.Buckets.Sum(), point.Buckets.Length, point.Bounds.Length));
        Assert.Equal((0.005, 10), (point.Bounds[0], point.Bounds[^1]));
        Assert.InRange(point.Sum, double.Epsilon, 60);
        Assert.Equal("sum", metrics.Single(metric => metric.Name == "malha.listener.accepted").Kind);
        Assert.Equal(3, metrics.Single(metric => metric.Name == "malha.listener.accepted").Points.Single().Value);
        Assert.Equal("gauge", metrics.Single(metric => metric.Name == "malha.config.version").Kind);
    }

    [Fact]
    public async Task This_reader_of_OTLP_reads_what_the_SDK_sends()
    {
        using var source = new ActivitySource("test.source");
        using var meter = new Meter("test.meter");
        using (var tracing = Sdk.CreateTracerProviderBuilder().AddSource("test.source").AddOtlpExporter(options => Configure(options, "/v1/traces")).Build())
        using (var metering = Sdk.CreateMeterProviderBuilder().AddMeter("test.meter").AddOtlpExporter(options => Configure(options, "/v1/metrics")).Build())
        {
            using (var parent = source.StartActivity("parent", ActivityKind.Server))
            {
                using var child = source.StartActivity("child", ActivityKind.Client, parent!.Context, [new("text", "value"), new("number", 7), new("truth", true)], [new ActivityLink(parent.Context)]);
                child!.SetStatus(ActivityStatusCode.Error);
            }
            meter.CreateCounter<long>("test.counter", "{thing}").Add(5, new KeyValuePair<string, object?>("kind", "a"));
            meter.CreateHistogram<double>("test.histogram", "s").Record(0.5);
            meter.CreateObservableGauge("test.gauge", () => 2.5);
            Assert.True(tracing.ForceFlush(20_000) && metering.ForceFlush(20_000));
        }
        var spans = await _receiver.HasAsync(2);
        var (server, client) = (spans.Single(span => span.Kind == "SERVER"), spans.Single(span => span.Kind == "CLIENT"));
        Assert.Equal(("parent", "child", server.Trace, server.Id), (server.Name, client.Name, client.Trace, client.Parent));
        TraceTests.Has(client, ("text", "value"), ("number", "7"), ("truth", "true"));
        Assert.Equal((true, false), (client.IsError, server.IsError));
        Assert.Equal([server.Id], client.Links);
        var metrics = Last()!;
        Assert.Equal(("{thing}", "sum", 5.0), Of("test.counter"));
        Assert.Equal(("s", "histogram", 1.0), Of("test.histogram"));
        Assert.Equal(("", "gauge", 2.5), Of("test.gauge"));
        var histogram = metrics.Single(metric => metric.Name == "test.histogram").Points.Single();
        Assert.Equal((0.5, 1.0, histogram.Bounds.Length + 1), (histogram.Sum, histogram.Buckets.Sum(), histogram.Buckets.Length));

        (string Unit, string Kind, double Value) Of(string name) => metrics.Where(metric => metric.Name == name).Select(metric => (metric.Unit, metric.Kind, metric.Points.Single().Value)).Single();
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("hangs")]
    [InlineData("fails")]
    public async Task A_collector_that_does_not_work_is_not_noticed_by_requests(string how)
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        var endpoint = how == "gone" ? $"http://127.0.0.1:{FreePort.Next()}" : _receiver.Http;
        _receiver.Intake.Hangs = how == "hangs";
        _receiver.Intake.Status = how == "fails" ? 503 : 200;
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url) + $"\ntelemetry: {{ endpoint: \"{endpoint}\" }}\n");
        await using var client = await gateway.ConnectAsync();
        // More than the ring holds and than one message takes from it.
        for (var count = 0; count < 5_500; count++)
        {
            await client.SendAsync(Get);
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        }
        var export = gateway.Host.Export;
        await Eventually.HoldsAsync(() => export.Overflow > 0, "what finds no room is counted");
        Assert.InRange(export.Waiting, 1, 4096);
        Assert.Contains(gateway.Host.ReadMetrics(), family => family.Name == "malha.telemetry.overflow" && family.Points[0].Value > 0);
        if (how != "hangs")
            await Eventually.HoldsAsync(() => gateway.Host.Telemetry.Events.Follow(_ => { }).Count(one => one.Name == "telemetry-failed") == 1, "the failure is told once");
    }

    [Fact]
    public async Task A_reload_changes_the_collector_and_takes_telemetry_away()
    {
        await using var second = await OtlpReceiver.StartAsync();
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Start(origin);
        await gateway.GetAsync();
        await _receiver.HasAsync(2);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url) + $"\ntelemetry: {{ endpoint: \"{second.Http}\" }}\n")));
        await gateway.GetAsync();
        await second.HasAsync(2);
        Assert.Equal(2, _receiver.Spans.Count);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url))));
        Assert.Null(gateway.Host.Telemetry.Tracer);
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal(0, gateway.Host.Export.Waiting);
    }

    [Fact]
    public async Task What_waits_is_sent_when_the_gateway_ends()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using (var gateway = Start(origin))
        {
            await using var client = await gateway.ConnectAsync();
            for (var count = 0; count < 200; count++)
            {
                await client.SendAsync(Get);
                await client.ReadAnswerAsync();
            }
        }
        Assert.Equal(400, _receiver.Spans.Count);
        Assert.Equal(400, _receiver.Spans.Select(span => span.Id).Distinct().Count());
        Assert.NotEmpty(_receiver.Intake.Metrics);
    }

    [Fact]
    public async Task The_access_log_names_trace_and_span()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = await RunningGateway.StartAsync(
            $"services: {{ origin: {{ endpoints: [ \"{origin.Url}\" ] }} }}\nroutes: [ {{ service: origin }} ]\ntelemetry: {{ endpoint: \"{_receiver.Http}\" }}\n");
        using var answer = await gateway.SendAsync("/");
        var line = await gateway.LogLineAsync(one => one.GetProperty("event").GetString() == "request");
        await _receiver.HasAsync(2);
        var server = _receiver.Spans.Single(span => span.Kind == "SERVER");
        Assert.Equal((server.Trace, server.Id), (line.GetProperty("traceId").GetString(), line.GetProperty("spanId").GetString()));
    }

    private void Configure(OtlpExporterOptions options, string path)
    {
        options.Protocol = OtlpExportProtocol.HttpProtobuf;
        options.Endpoint = new Uri(_receiver.Http + path);
    }

    private List<SeenMetric>? Last() => _receiver.Intake.Metrics.LastOrDefault() is { } message ? OtlpTypes.ReadMetrics(message) : null;

    private TestGateway Start(ScriptedOrigin origin, string protocol = "http/protobuf", string more = "") => TestGateway.Start(
        TestGateway.File(origin.Url) + $"\ntelemetry: {{ endpoint: \"{(protocol == "grpc" ? _receiver.Grpc : _receiver.Http)}\", protocol: {protocol}{(more.Length > 0 ? ", " + more : "")} }}\n");
}
