using System.Collections.Concurrent;
using Grpc.Net.Client;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Rpc.Support;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Malha.IntegrationTests.Telemetry;

/// <summary>The spans of exchanges and their attempts, as a real receiver of OTLP gets them.</summary>
public sealed class TraceTests : IAsyncLifetime
{
    private const string Caller = "0af7651916cd43dd8448eb211c80319c";
    private const string CallersSpan = "b7ad6b7169203331";

    private readonly ConcurrentQueue<string> _parents = new();
    private OtlpReceiver _receiver = null!;

    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _receiver = await OtlpReceiver.StartAsync();

    public ValueTask DisposeAsync() => _receiver.DisposeAsync();

    [Theory]
    [InlineData("http/protobuf")]
    [InlineData("grpc")]
    public async Task A_request_is_a_server_span_and_its_attempt_a_client_span_below_it(string protocol)
    {
        await using var origin = Noting(_ => ScriptedOrigin.Answer("hello"));
        var file = TestGateway.File(origin.Url, route: "name: shop, match: { path: /orders/** }") + Telemetry(protocol, "attributes: { deployment.environment.name: test }, headers: { X-Key: env:KEY_1 }");
        await using var gateway = TestGateway.Start(file);
        var answer = await gateway.AskAsync("GET /orders/7?token=abc&a=1 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: test\r\n\r\n");
        Assert.Equal(200, answer.Status);

        var spans = await _receiver.HasAsync(2);
        Assert.Equal(2, spans.Length);
        var (server, attempt) = (spans.Single(span => span.Kind == "SERVER"), spans.Single(span => span.Kind == "CLIENT"));
        Assert.Equal(("GET /orders/**", "", server.Trace), (server.Name, server.Parent, attempt.Trace));
        Assert.Equal(("GET", server.Id), (attempt.Name, attempt.Parent));
        Assert.Equal([$"00-{server.Trace}-{attempt.Id}-01"], _parents);
        Has(server,
            ("http.request.method", "GET"), ("url.scheme", "http"), ("url.path", "/orders/7"), ("url.query", "token=***&a=1"), ("http.route", "/orders/**"),
            ("http.response.status_code", "200"), ("server.address", "shop.example"), ("server.port", "8080"), ("network.protocol.version", "1.1"),
            ("client.address", "127.0.0.1"), ("user_agent.original", "test"), ("malha.service", "origin"), ("malha.attempts", "1"), ("error.type", null));
        Has(attempt,
            ("http.request.method", "GET"), ("url.full", $"{origin.Url}/orders/7?token=***&a=1"), ("server.address", "127.0.0.1"), ("server.port", $"{origin.Port}"),
            ("http.response.status_code", "200"), ("http.request.resend_count", null), ("error.type", null));
        Assert.False(server.IsError || attempt.IsError);
        Assert.InRange(attempt.Milliseconds, 0, server.Milliseconds);
        Assert.Equal(("malha", "test"), (_receiver.Intake.Resource["service.name"], _receiver.Intake.Resource["deployment.environment.name"]));
        Assert.All(_receiver.Intake.Heads, head => Assert.Equal("key-number-one", head["X-Key"]));
    }

    [Fact]
    public async Task Retries_are_siblings_and_say_which_they_are_and_what_followed()
    {
        var asked = 0;
        await using var origin = Noting(_ => Interlocked.Increment(ref asked) < 3 ? ScriptedOrigin.Answer("no", status: 503) : ScriptedOrigin.Answer("yes"));
        await using var gateway = Start(origin, "retry: { attempts: 3, base: 1ms, max: 5ms }");
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        var spans = await _receiver.HasAsync(4);
        var server = Assert.Single(spans, span => span.Kind == "SERVER");
        var attempts = spans.Where(span => span.Kind == "CLIENT").OrderBy(span => span["http.request.resend_count"] ?? "0").ToArray();
        Assert.Equal([null, "1", "2"], attempts.Select(span => span["http.request.resend_count"]));
        Assert.Equal(["503", "503", null], attempts.Select(span => span["error.type"]));
        Assert.Equal(["retried", "retried", null], attempts.Select(span => span["malha.next"]));
        Assert.All(attempts, span => Assert.Equal((server.Trace, server.Id), (span.Trace, span.Parent)));
        Assert.Equal(attempts.Select(span => $"00-{span.Trace}-{span.Id}-01"), _parents);
        Assert.Equal([true, true, false], attempts.Select(span => span.IsError));
        Has(server, ("malha.attempts", "3"), ("http.response.status_code", "200"), ("error.type", null));
    }

    [Fact]
    public async Task A_hedge_is_a_sibling_of_the_attempt_that_it_beats()
    {
        var asked = 0;
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                Note(request);
                if (Interlocked.Increment(ref asked) == 1)
                {
                    await peer.ReadToEndAsync();
                    return;
                }
                await peer.SendAsync(ScriptedOrigin.Answer("second"));
            }
        });
        await using var gateway = Start(origin, "hedge: { delay: 30ms }, concurrency: 8");
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        var spans = await _receiver.HasAsync(3);
        var server = Assert.Single(spans, span => span.Kind == "SERVER");
        var hedge = Assert.Single(spans, span => span["malha.hedge"] is not null);
        var first = Assert.Single(spans, span => span.Kind == "CLIENT" && span != hedge);
        Assert.All([hedge, first], span => Assert.Equal((server.Trace, server.Id), (span.Trace, span.Parent)));
        Assert.NotEqual(hedge.Id, first.Id);
        Has(hedge, ("http.response.status_code", "200"), ("http.request.resend_count", "1"), ("error.type", null));
        Has(first, ("http.response.status_code", null), ("error.type", "hedge-lost"));
        Assert.Equal([$"00-{server.Trace}-{first.Id}-01", $"00-{server.Trace}-{hedge.Id}-01"], _parents);
    }

    [Fact]
    public async Task A_refusal_says_its_rule_and_its_hop()
    {
        await using var origin = Noting(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Start(origin, route: "limit: { rate: 1/h, burst: 1 }");
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal(429, (await gateway.GetAsync()).Status);
        await _receiver.HasAsync(3);
        var refused = Assert.Single(_receiver.Spans, span => span["http.response.status_code"] == "429");
        Has(refused, ("malha.refusal", "rate-limited"), ("error.type", "rate-limited"), ("malha.rule", "routes[0].limit"), ("malha.hop", "malha"), ("malha.attempts", "0"));
        // What the client did wrong is no error of the server.
        Assert.False(refused.IsError);
        Assert.DoesNotContain(_receiver.Spans, span => span.Parent == refused.Id);
    }

    [Fact]
    public async Task A_service_that_is_gone_is_an_error_of_both_spans()
    {
        await using var gateway = TestGateway.Start(TestGateway.File($"http://127.0.0.1:{FreePort.Next()}", "retry: off") + Telemetry());
        Assert.Equal(502, (await gateway.GetAsync()).Status);
        var spans = await _receiver.HasAsync(2);
        var (server, attempt) = (spans.Single(span => span.Kind == "SERVER"), spans.Single(span => span.Kind == "CLIENT"));
        Assert.Equal((true, "connect-failed"), (server.IsError, server["malha.refusal"]));
        Assert.Equal((true, "connect-failed"), (attempt.IsError, attempt["error.type"]));
    }

    [Theory]
    [InlineData("01", "0%", true)]
    [InlineData("00", "100%", false)]
    [InlineData("03", "0%", true)]
    public async Task The_callers_choice_goes_before_the_share(string flags, string sample, bool isTraced)
    {
        await using var origin = Noting(_ => ScriptedOrigin.Answer("hello"));
        await using (var gateway = TestGateway.Start(TestGateway.File(origin.Url) + Telemetry(more: $"sample: {sample}")))
        {
            await gateway.AskAsync($"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{Caller}-{CallersSpan}-{flags}\r\n\r\n");
            Assert.StartsWith($"00-{Caller}-", Assert.Single(_parents), StringComparison.Ordinal);
            Assert.EndsWith($"-{flags}", Assert.Single(_parents), StringComparison.Ordinal);
        }
        // The end of the gateway has sent all that there was.
        Assert.Equal(isTraced ? 2 : 0, _receiver.Spans.Count);
        if (isTraced)
            Assert.Equal((Caller, CallersSpan), _receiver.Spans.Where(span => span.Kind == "SERVER").Select(span => (span.Trace, span.Parent)).Single());
    }

    [Fact]
    public async Task Http2_in_front_and_a_gRPC_call_look_alike()
    {
        await using var origin = await TwoProtocolOrigin.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc();
                builder.Services.AddSingleton<EchoService>();
            },
            app => app.MapGrpcService<EchoService>());
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url(2), "protocol: http2") + Telemetry());
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{gateway.Port}", new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler { UseProxy = false }, DisposeHttpClient = true });
        Assert.Equal("hello", await channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, default, "hello"));
        var spans = await _receiver.HasAsync(2);
        var (server, attempt) = (spans.Single(span => span.Kind == "SERVER"), spans.Single(span => span.Kind == "CLIENT"));
        Has(server, ("network.protocol.version", "2"), ("rpc.system", "grpc"), ("rpc.service", "test.Echo"), ("rpc.method", "Unary"), ("http.response.status_code", "200"));
        Has(attempt, ("network.protocol.version", "2"), ("rpc.system", "grpc"), ("rpc.method", "Unary"));
        Assert.Equal((server.Trace, server.Id), (attempt.Trace, attempt.Parent));
    }

    [Fact]
    public async Task A_delivery_of_the_durable_lane_is_linked_to_the_request_that_was_accepted()
    {
        using var folder = new LaneFolder();
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(folder, server, top: Telemetry());
        var accepted = await gateway.PostAsync();
        Assert.Equal(202, accepted.Status);
        server.Come();
        await gateway.BecomesAsync(accepted.Value("Location")!, "succeeded");
        await Eventually.HoldsAsync(() => _receiver.Spans.Any(span => span.Kind == "CONSUMER" && span["http.response.status_code"] == "200"), "the delivery's span arrives");
        var asked = _receiver.Spans.Single(span => span.Kind == "SERVER" && span["http.response.status_code"] == "202");
        var delivery = _receiver.Spans.Single(span => span.Kind == "CONSUMER" && span["http.response.status_code"] == "200");
        Assert.Equal(("deliver pay", asked.Trace, asked.Id), (delivery.Name, delivery.Trace, delivery.Parent));
        Assert.Equal([asked.Id], delivery.Links);
        var attempt = Assert.Single(_receiver.Spans, span => span.Parent == delivery.Id);
        Assert.Equal($"00-{asked.Trace}-{attempt.Id}-01", server.Entries.Single().Field("traceparent"));
    }

    internal static void Has(SeenSpan span, params (string Name, string? Value)[] attributes)
    {
        foreach (var (name, value) in attributes)
            Assert.True(span[name] == value, $"{span.Name}: {name} is {span[name] ?? "absent"} and not {value ?? "absent"}");
    }

    private string Telemetry(string protocol = "http/protobuf", string more = "") =>
        $"\ntelemetry: {{ endpoint: \"{(protocol == "grpc" ? _receiver.Grpc : _receiver.Http)}\", protocol: {protocol}{(more.Length > 0 ? ", " + more : "")} }}\n";

    private TestGateway Start(ScriptedOrigin origin, string service = "", string route = "") => TestGateway.Start(TestGateway.File(origin.Url, service, route: route) + Telemetry());

    private ScriptedOrigin Noting(Func<WireRequest, string> answer) => ScriptedOrigin.Answering(request =>
    {
        Note(request);
        return answer(request);
    });

    private void Note(WireRequest request) => _parents.Enqueue(request.Fields.Single(field => field.Name.Equals("traceparent", StringComparison.OrdinalIgnoreCase)).Value);
}
