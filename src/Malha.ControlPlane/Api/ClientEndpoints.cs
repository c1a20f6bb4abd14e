using Malha.ControlPlane.Api.Views;
using Malha.Proxy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Malha.ControlPlane.Api;

/// <summary>Who calls, and how much of what it may is left.</summary>
internal static class ClientEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/api/v1/clients", Clients).ProducesProblem(400).WithTags("clients");
        app.MapGet("/api/v1/limits", Limits).ProducesProblem(400).WithTags("clients");
    }

    [EndpointSummary("The clients, in the order of the file, which is that in which they are asked.")]
    internal static Results<Ok<Page<ClientView>>, ProblemHttpResult> Clients(GatewayHost gateway, int? limit, string? after)
    {
        var identity = gateway.Plane.Model.Identity;
        var page = Paging.Cut(identity.Clients.ToArray(), client => client.Name, client => ClientView.Of(client, identity), limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }

    [EndpointSummary("All limits of clients, then those of routes, with what is left of them now.")]
    internal static Results<Ok<Page<LimitView>>, ProblemHttpResult> Limits(GatewayHost gateway, int? limit, string? after)
    {
        var model = gateway.Plane.Model;
        var limits = model.Identity.Clients.ToArray().SelectMany(client => LimitView.Of(client, model.Identity))
            .Concat(model.Routes.Routes.ToArray().SelectMany(route => LimitView.OfRoute(route.Name, model.Identity.LimitsOf(route.Index))));
        var page = Paging.Cut(limits, one => one.Rule, one => one, limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }
}
