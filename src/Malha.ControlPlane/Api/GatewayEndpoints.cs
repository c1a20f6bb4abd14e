using Malha.ControlPlane.Api.Views;
using Malha.Proxy;
using Malha.Proxy.SelfProtection;
using Malha.Proxy.Telemetry.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Malha.ControlPlane.Api;

/// <summary>Listeners, services, endpoints and routes; probes and metrics.</summary>
internal static class GatewayEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/livez", Live).Produces<string>(200, "text/plain").Produces<string>(503, "text/plain").WithTags("probes");
        app.MapGet("/readyz", Ready).Produces<string>(200, "text/plain").Produces<string>(503, "text/plain").WithTags("probes");
        app.MapGet("/metrics", WriteMetricsAsync).Produces<string>(200, "text/plain").WithTags("metrics");
        app.MapGet("/api/v1/protection", Protection).WithTags("gateway");
        app.MapGet("/api/v1/listeners", Listeners).ProducesProblem(400).WithTags("gateway");
        app.MapGet("/api/v1/services", Services).ProducesProblem(400).WithTags("gateway");
        app.MapGet("/api/v1/services/{name}/endpoints", Endpoints).ProducesProblem(400).ProducesProblem(404).WithTags("gateway");
        app.MapGet("/api/v1/routes", Routes).ProducesProblem(400).WithTags("gateway");
    }

    [EndpointSummary("Whether the gateway lives: 503 when it does not, and should be restarted.")]
    internal static ContentHttpResult Live(GatewayHost gateway)
    {
        var lag = gateway.Plane.Wheel.LagMs;
        return lag <= DataPlane.MaxWheelLagMs ? TypedResults.Text("live\n") : TypedResults.Text($"the timers have stood still for {lag} ms\n", statusCode: 503);
    }

    [EndpointSummary("Whether the gateway should get new connections: 503 while it stops, and while it is short of resources and accepts none.")]
    internal static ContentHttpResult Ready(GatewayHost gateway)
    {
        if (gateway.IsDraining)
            return TypedResults.Text("draining\n", statusCode: 503);
        var verdict = gateway.Plane.Protection.Verdict;
        return verdict.Stage < ProtectionStage.NotAccepting ? TypedResults.Text("ready\n")
            : TypedResults.Text($"not accepting: {verdict.Tightest.Rule}\n", statusCode: 503);
    }

    [EndpointSummary("What the gateway uses of its budgets, and what it gives up for that.")]
    internal static Ok<ProtectionView> Protection(GatewayHost gateway) => TypedResults.Ok(ProtectionView.Of(gateway.Plane.Protection));

    [EndpointSummary("All metrics as Prometheus text.")]
    internal static async Task WriteMetricsAsync(HttpContext context, GatewayHost gateway)
    {
        context.Response.ContentType = PrometheusWriter.ContentType;
        PrometheusWriter.Write(context.Response.BodyWriter, gateway.ReadMetrics());
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    [EndpointSummary("The listeners, by name.")]
    internal static Results<Ok<Page<ListenerView>>, ProblemHttpResult> Listeners(GatewayHost gateway, int? limit, string? after)
    {
        var listeners = gateway.Listeners.OrderBy(listener => listener.Config.Name, StringComparer.Ordinal);
        var page = Paging.Cut(listeners, listener => listener.Config.Name, ListenerView.Of, limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }

    [EndpointSummary("The services, by name.")]
    internal static Results<Ok<Page<ServiceView>>, ProblemHttpResult> Services(GatewayHost gateway, int? limit, string? after)
    {
        var services = gateway.Plane.Model.Services.Values.OrderBy(service => service.Config.Name, StringComparer.Ordinal);
        var now = gateway.Plane.Clock.Now;
        var page = Paging.Cut(services, service => service.Config.Name, service => ServiceView.Of(service, now), limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }

    [EndpointSummary("The endpoints of a service, in the order of the file.")]
    internal static Results<Ok<Page<EndpointView>>, ProblemHttpResult> Endpoints(GatewayHost gateway, string name, int? limit, string? after)
    {
        var model = gateway.Plane.Model;
        if (!model.Services.TryGetValue(name, out var service))
            return PolicyEndpoints.NoService(model, name);
        var now = gateway.Plane.Clock.Now;
        var page = Paging.Cut(service.Endpoints, endpoint => endpoint.Name, endpoint => EndpointView.Of(service, endpoint, now), limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }

    [EndpointSummary("The routes, in the order of the file.")]
    internal static Results<Ok<Page<RouteView>>, ProblemHttpResult> Routes(GatewayHost gateway, int? limit, string? after)
    {
        var model = gateway.Plane.Model;
        var page = Paging.Cut(
            model.Routes.Routes.ToArray(), route => route.Index.ToString(System.Globalization.CultureInfo.InvariantCulture), route => RouteView.Of(route, model), limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }
}
