using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Health;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Malha.IntegrationTests.Health;

/// <summary>The standard gRPC health protocol, spoken with a real gRPC server.</summary>
public sealed class GrpcCheckTests
{
    [Fact]
    public async Task Serving_is_healthy_and_not_serving_is_not()
    {
        await using var server = await GrpcServer.StartAsync();
        await using var gateway = HealthGateway.Start([server.Url], $"grpc: \"\", {HealthGateway.Quick}");
        await gateway.HealthyAsync();
        server.Serves = false;
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("grpc.health.v1: NOT_SERVING, expected SERVING");
        server.Serves = true;
        await gateway.HealthyAsync();
    }

    [Fact]
    public async Task Service_is_asked_for_by_its_name()
    {
        await using var server = await GrpcServer.StartAsync();
        await using var gateway = HealthGateway.Start([server.Url], "grpc: shop.Orders, every: 1h, timeout: 20s");
        await gateway.HealthyAsync();
        await using var other = HealthGateway.Start([server.Url], "grpc: shop.Nobody, every: 1h, timeout: 20s");
        await other.BecomesAsync(ServiceCourse.Unhealthy);
        await other.RefusedAsync("grpc.health.v1 of shop.Nobody: the server does not know the service");
    }

    [Fact]
    public async Task Server_without_the_protocol_and_no_server_at_all_are_unhealthy_with_the_cause()
    {
        await using var server = await GrpcServer.StartAsync(maps: false);
        await using var gateway = HealthGateway.Start([server.Url], "grpc: \"\", every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("grpc.health.v1: the server does not have the gRPC health protocol");

        int port;
        await using (var gone = new CheckedOrigin())
            port = gone.Port;
        await using var other = HealthGateway.Start([$"http://127.0.0.1:{port}"], "grpc: \"\", every: 1h, timeout: 20s");
        await other.BecomesAsync(ServiceCourse.Unhealthy);
        await other.RefusedAsync("grpc.health.v1: the connection was refused");
    }

    [Fact]
    public async Task Server_that_does_not_answer_is_unhealthy_in_time()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
            {
                // It says nothing.
            }
        });
        await using var gateway = HealthGateway.Start([origin.Url], "grpc: \"\", every: 1h, timeout: 200ms");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("grpc.health.v1: no answer within 200 ms");
    }

    /// <summary>Kestrel with gRPC over HTTP/2 without TLS; its health checks say what the test wants.</summary>
    private sealed class GrpcServer : IAsyncDisposable
    {
        private readonly WebApplication _app;

        private GrpcServer(WebApplication app) => _app = app;

        public bool Serves { get; set; } = true;

        public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

        public static async Task<GrpcServer> StartAsync(bool maps = true)
        {
            GrpcServer? server = null;
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Protocols = HttpProtocols.Http2));
            builder.Services.AddGrpc();
            builder.Services.AddGrpcHealthChecks(options => options.Services.Map("shop.Orders", _ => true))
                .AddCheck("switch", () => server is not { Serves: false } ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy());
            // The status is what the checks say at the moment of the question.
            builder.Services.Configure<Grpc.AspNetCore.HealthChecks.GrpcHealthChecksOptions>(options => options.UseHealthChecksCache = false);
            var app = builder.Build();
            if (maps)
                app.MapGrpcHealthChecksService();
            await app.StartAsync(TestContext.Current.CancellationToken);
            server = new GrpcServer(app);
            return server;
        }

        public async ValueTask DisposeAsync()
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await _app.StopAsync(patience.Token);
            await _app.DisposeAsync();
        }
    }
}
