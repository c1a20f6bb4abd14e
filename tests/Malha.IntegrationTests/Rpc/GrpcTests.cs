using Grpc.Core;
using Grpc.Net.Client;
using Malha.IntegrationTests.Rpc.Support;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Malha.IntegrationTests.Rpc;

/// <summary>gRPC through the gateway: a real client and a real server, calls of every kind, and every end that they may have.</summary>
public sealed class GrpcTests : IAsyncLifetime
{
    private readonly EchoService _service = new();
    private TwoProtocolOrigin _origin = null!;

    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    private string Url => _origin.Url(2);

    public async ValueTask InitializeAsync() => _origin = await TwoProtocolOrigin.StartAsync(
        builder =>
        {
            builder.Services.AddGrpc();
            builder.Services.AddSingleton(_service);
        },
        app => app.MapGrpcService<EchoService>());

    public ValueTask DisposeAsync() => _origin.DisposeAsync();

    [Fact]
    public async Task Every_kind_of_call_passes_with_its_heads_and_trailers()
    {
        await using var gateway = Start();
        using var channel = Connect(gateway.Port);
        await EveryKindAsync(channel.CreateCallInvoker(), "hello");
        await EveryKindAsync(channel.CreateCallInvoker(), new string('x', 200_000));
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0 && gateway.Service().State.Streams == 0, "nothing is under way");
    }

    [Fact]
    public async Task Messages_of_a_duplex_call_do_not_wait_for_each_other()
    {
        await using var gateway = Start();
        using var channel = Connect(gateway.Port);
        using var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(EchoBase.DuplexMethod, null, default);
        for (var number = 0; number < 500; number++)
        {
            await call.RequestStream.WriteAsync($"{number}", Ended);
            Assert.True(await call.ResponseStream.MoveNext(Ended));
            Assert.Equal($"re: {number}", call.ResponseStream.Current);
        }
        Assert.Equal(1, gateway.Service().State.Streams);
        // The server ends first, while the client could go on.
        await call.RequestStream.WriteAsync("enough", Ended);
        Assert.False(await call.ResponseStream.MoveNext(Ended));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
        Assert.Equal("duplex", call.GetTrailers().GetValue("x-last"));
        await Eventually.HoldsAsync(() => gateway.Service().State.Streams == 0, "the stream is counted out");
    }

    [Fact]
    public async Task Failure_of_the_service_arrives_with_status_message_and_trailers()
    {
        await using var gateway = Start();
        using var channel = Connect(gateway.Port);
        foreach (var code in new[] { StatusCode.NotFound, StatusCode.Unavailable, StatusCode.FailedPrecondition, StatusCode.Internal })
        {
            using var call = channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, default, $"fail {(int)code}");
            var failure = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
            Assert.Equal(code, failure.StatusCode);
            Assert.Equal("as you wish: ü", failure.Status.Detail);
            Assert.Equal("asked", failure.Trailers.GetValue("x-why"));
            Assert.Equal([0, 1, 255], failure.Trailers.GetValueBytes("x-bytes-bin"));
        }
        // Each came once: nothing that may have been executed is said again.
        Assert.Equal(4, _service.Came);
    }

    [Fact]
    public async Task Deadline_ends_the_call_here_and_behind()
    {
        await using var gateway = Start();
        using var channel = Connect(gateway.Port);
        // Connections are there: else a slow machine would spend the deadline on them, and the service would never hear of the call.
        using (var first = channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, default, "first"))
            await first.ResponseAsync;
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, new CallOptions(deadline: TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(1)), "hang");
        Assert.Equal(StatusCode.DeadlineExceeded, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).StatusCode);
        await Eventually.HoldsAsync(() => _service.Cancelled == 1, "the service is told");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "nothing is under way");
    }

    [Fact]
    public async Task Gateway_keeps_the_deadline_of_a_client_that_does_not()
    {
        await using var gateway = Start();
        using var channel = Connect(gateway.Port, new PatientHandler());
        using var unary = channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, default, "hang");
        var failure = await Assert.ThrowsAsync<RpcException>(() => unary.ResponseAsync);
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        Assert.StartsWith("The service did not answer in time", failure.Status.Detail, StringComparison.Ordinal);
        await Eventually.HoldsAsync(() => _service.Cancelled == 1, "the service is told");

        // After the answer's head has gone the call still ends with a word.
        using var streaming = channel.CreateCallInvoker().AsyncServerStreamingCall(EchoBase.ServerMethod, null, default, "hang");
        for (var number = 0; number < 10; number++)
            Assert.True(await streaming.ResponseStream.MoveNext(Ended));
        failure = await Assert.ThrowsAsync<RpcException>(() => streaming.ResponseStream.MoveNext(Ended));
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        Assert.Equal("The service did not answer in time (grpc-timeout)", failure.Status.Detail);
        await Eventually.HoldsAsync(() => _service.Cancelled == 2, "the service is told");
    }

    [Fact]
    public async Task Caller_that_leaves_ends_the_call_behind()
    {
        await using var gateway = Start();
        using var channel = Connect(gateway.Port);
        using var leaving = new CancellationTokenSource();
        using var unary = channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, new CallOptions(cancellationToken: leaving.Token), "hang");
        using var streaming = channel.CreateCallInvoker().AsyncServerStreamingCall(EchoBase.ServerMethod, null, new CallOptions(cancellationToken: leaving.Token), "hang");
        for (var number = 0; number < 10; number++)
            Assert.True(await streaming.ResponseStream.MoveNext(Ended));
        await Eventually.HoldsAsync(() => _service.Came == 1, "the unary call reaches the service");
        await leaving.CancelAsync();
        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => unary.ResponseAsync)).StatusCode);
        await Eventually.HoldsAsync(() => _service.Cancelled == 2, "the service is told of both");
    }

    [Theory]
    [InlineData("match: { path: /other }", "", StatusCode.Unimplemented, "No route matches the request")]
    [InlineData("", "maxBody: 3B", StatusCode.ResourceExhausted, "The body is larger than the service takes")]
    [InlineData("", "timeout: 200ms", StatusCode.DeadlineExceeded, "The service did not answer in time")]
    public async Task Refusals_of_the_gateway_are_statuses(string route, string service, StatusCode expected, string message)
    {
        await using var gateway = TestGateway.Start(TestGateway.File(Url, $"protocol: http2{(service.Length > 0 ? ", " + service : "")}", route: route));
        using var channel = Connect(gateway.Port);
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, default, "hang");
        var failure = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.Equal(expected, failure.StatusCode);
        Assert.StartsWith(message, failure.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Service_that_is_not_there_is_unavailable()
    {
        await _origin.DisposeAsync();
        await using var gone = new Health.CheckedOrigin();
        var url = $"http://127.0.0.1:{gone.Port}";
        await gone.DisposeAsync();
        await using var gateway = TestGateway.Start(TestGateway.File(url, "protocol: http2"));
        using var channel = Connect(gateway.Port);
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(EchoBase.UnaryMethod, null, default, "hello");
        var failure = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
        Assert.StartsWith("The endpoint refused the connection", failure.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_calls_of_every_kind_without_an_error()
    {
        var rounds = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") is "1" ? 100_000 : 2_000;
        await using var gateway = Start();
        using var channel = Connect(gateway.Port);
        var invoker = channel.CreateCallInvoker();
        var next = 0;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            for (var number = Interlocked.Increment(ref next); number <= rounds / 4; number = Interlocked.Increment(ref next))
                await EveryKindAsync(invoker, $"call {number}");
        }, Ended)));
        Assert.Equal(rounds / 4, _service.Came);
    }

    private static async Task EveryKindAsync(CallInvoker invoker, string text)
    {
        using var unary = invoker.AsyncUnaryCall(EchoBase.UnaryMethod, null, new CallOptions(new Metadata { { "x-asked", "me" } }), text);
        Assert.Equal("me", (await unary.ResponseHeadersAsync).GetValue("x-first"));
        Assert.Equal(text, await unary.ResponseAsync);
        Assert.Equal($"{text.Length}", unary.GetTrailers().GetValue("x-last"));

        using var server = invoker.AsyncServerStreamingCall(EchoBase.ServerMethod, null, default, text);
        for (var number = 0; await server.ResponseStream.MoveNext(Ended); number++)
            Assert.Equal($"{text} {number}", server.ResponseStream.Current);
        Assert.Equal("10", server.GetTrailers().GetValue("x-last"));

        using var client = invoker.AsyncClientStreamingCall(EchoBase.ClientMethod, null, default);
        for (var number = 0; number < 3; number++)
            await client.RequestStream.WriteAsync(text, Ended);
        await client.RequestStream.CompleteAsync();
        Assert.Equal($"{text};{text};{text};", await client.ResponseAsync);
        Assert.Equal("client", client.GetTrailers().GetValue("x-last"));

        using var duplex = invoker.AsyncDuplexStreamingCall(EchoBase.DuplexMethod, null, default);
        for (var number = 0; number < 3; number++)
        {
            await duplex.RequestStream.WriteAsync($"{text}{number}", Ended);
            Assert.True(await duplex.ResponseStream.MoveNext(Ended));
            Assert.Equal($"re: {text}{number}", duplex.ResponseStream.Current);
        }
        await duplex.RequestStream.CompleteAsync();
        Assert.False(await duplex.ResponseStream.MoveNext(Ended));
        Assert.Equal("duplex", duplex.GetTrailers().GetValue("x-last"));
    }

    private TestGateway Start() => TestGateway.Start(TestGateway.File(Url, "protocol: http2"));

    private static GrpcChannel Connect(int port, DelegatingHandler? handler = null)
    {
        HttpMessageHandler sockets = new SocketsHttpHandler { UseProxy = false };
        if (handler is not null)
            handler.InnerHandler = sockets;
        return GrpcChannel.ForAddress($"http://127.0.0.1:{port}", new GrpcChannelOptions { HttpHandler = handler ?? sockets, DisposeHttpClient = true });
    }

    /// <summary>Says half a second, and waits for ever.</summary>
    private sealed class PatientHandler : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Add("grpc-timeout", "500m");
            return base.SendAsync(request, cancellationToken);
        }
    }
}
