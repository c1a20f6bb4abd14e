using Malha.Configuration.Reading;
using Malha.ControlPlane.Api.Views;
using Malha.Proxy;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Upstream;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Malha.ControlPlane.Api;

/// <summary>What protects services, and an operator's word for it: breakers, limits, draining.</summary>
internal static class PolicyEndpoints
{
    /// <summary>A word that holds longer belongs into the file.</summary>
    private static readonly TimeSpan LongestMode = TimeSpan.FromDays(7);

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/api/v1/breakers", Breakers).ProducesProblem(400).WithTags("policies");
        app.MapPost("/api/v1/breakers/{service}", SetBreakers).ProducesProblem(400).ProducesProblem(401).ProducesProblem(404).WithTags("policies");
        app.MapGet("/api/v1/admission", Admission).ProducesProblem(400).WithTags("policies");
        app.MapGet("/api/v1/services/{name}/endpoints/{endpoint}", Endpoint).ProducesProblem(404).WithTags("gateway");
        app.MapPost("/api/v1/services/{name}/endpoints/{endpoint}/drain", Drain).ProducesProblem(401).ProducesProblem(404).WithTags("gateway");
        app.MapDelete("/api/v1/services/{name}/endpoints/{endpoint}/drain", Undrain).ProducesProblem(401).ProducesProblem(404).WithTags("gateway");
    }

    /// <summary>There is no such service; perhaps the name is misspelt.</summary>
    public static ProblemHttpResult NoService(GatewayModel model, string name) =>
        ApiProblem.NotFound($"There is no service '{name}'{DidYouMean(name, model.Services.Keys)}");

    [EndpointSummary("The breakers, by service and endpoint.")]
    internal static Results<Ok<Page<BreakerView>>, ProblemHttpResult> Breakers(GatewayHost gateway, string? service, int? limit, string? after)
    {
        var model = gateway.Plane.Model;
        if (service is not null && !model.Services.ContainsKey(service))
            return NoService(model, service);
        var now = gateway.Plane.Clock.Now;
        var breakers = model.Services.Values.Where(one => service is null || one.Config.Name == service)
            .OrderBy(one => one.Config.Name, StringComparer.Ordinal).SelectMany(WithBreakers);
        var page = Paging.Cut(
            breakers, one => $"{one.Service.Config.Name}/{one.Endpoint.Name}", one => BreakerView.Of(one.Service, one.Endpoint, one.Endpoint.Breaker!, now), limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }

    [EndpointSummary("An operator's word for the breakers of a service. They are the answer.")]
    internal static Results<Ok<Page<BreakerView>>, ProblemHttpResult> SetBreakers(GatewayHost gateway, string service, BreakerOrder order)
    {
        var model = gateway.Plane.Model;
        if (!model.Services.TryGetValue(service, out var found))
            return NoService(model, service);
        if (BreakerNames.ModeOf(order.Mode) is not { } mode)
            return Bad($"mode: '{order.Mode}' is none of {string.Join(", ", BreakerNames.AllModes)}{DidYouMean(order.Mode, BreakerNames.AllModes)}");
        if (order.ForMs is { } forMs && !(forMs >= 1 && forMs <= LongestMode.TotalMilliseconds))
            return Bad($"forMs: {forMs} is not from 1 to {LongestMode.TotalMilliseconds} ({LongestMode.TotalDays} days); what holds longer belongs into the file.");
        EndpointState? only = null;
        if (order.Endpoint is not null && Find(found, order.Endpoint, out only) is { } problem)
            return problem;

        gateway.SetBreaker(found, only, mode, order.ForMs is { } ms ? TimeSpan.FromMilliseconds(ms) : null);
        var now = gateway.Plane.Clock.Now;
        return TypedResults.Ok(new Page<BreakerView>([.. WithBreakers(found).Select(one => BreakerView.Of(one.Service, one.Endpoint, one.Endpoint.Breaker!, now))], null));
    }

    [EndpointSummary("How many requests each service with a limit or a capacity is let have, and how many it has.")]
    internal static Results<Ok<Page<AdmissionView>>, ProblemHttpResult> Admission(GatewayHost gateway, int? limit, string? after)
    {
        var now = gateway.Plane.Clock.Now;
        var services = gateway.Plane.Model.Services.Values.Where(service => service.State.Admission is not null).OrderBy(service => service.Config.Name, StringComparer.Ordinal);
        var page = Paging.Cut(services, service => service.Config.Name, service => AdmissionView.Of(service, now), limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }

    [EndpointSummary("One endpoint of a service.")]
    internal static Results<Ok<EndpointView>, ProblemHttpResult> Endpoint(GatewayHost gateway, string name, string endpoint) => OneEndpoint(gateway, name, endpoint, null);

    [EndpointSummary("Lets an endpoint run empty: nothing new goes there, what is under way ends. Until it is taken back, or the gateway ends.")]
    internal static Results<Ok<EndpointView>, ProblemHttpResult> Drain(GatewayHost gateway, string name, string endpoint) => OneEndpoint(gateway, name, endpoint, true);

    [EndpointSummary("Takes it back that an endpoint runs empty.")]
    internal static Results<Ok<EndpointView>, ProblemHttpResult> Undrain(GatewayHost gateway, string name, string endpoint) => OneEndpoint(gateway, name, endpoint, false);

    private static Results<Ok<EndpointView>, ProblemHttpResult> OneEndpoint(GatewayHost gateway, string name, string endpoint, bool? isDraining)
    {
        var model = gateway.Plane.Model;
        if (!model.Services.TryGetValue(name, out var service))
            return NoService(model, name);
        if (Find(service, endpoint, out var found) is { } problem)
            return problem;
        if (isDraining is { } wanted)
            gateway.Drain(service, found!, wanted);
        return TypedResults.Ok(EndpointView.Of(service, found!, gateway.Plane.Clock.Now));
    }

    private static IEnumerable<(ServiceModel Service, EndpointState Endpoint)> WithBreakers(ServiceModel service) =>
        service.Endpoints.Where(endpoint => endpoint.Breaker is not null).Select(endpoint => (service, endpoint));

    // As URL, or as host and port; in a path the slashes come escaped, and the framework leaves them so.
    private static ProblemHttpResult? Find(ServiceModel service, string text, out EndpointState? found)
    {
        var name = Uri.UnescapeDataString(text).TrimEnd('/');
        var fitting = service.Endpoints.Where(endpoint => endpoint.Name == name || endpoint.Config.Url.Authority == name).Take(2).ToArray();
        found = fitting.Length == 1 ? fitting[0] : null;
        if (fitting.Length == 1)
            return null;
        return fitting.Length > 1
            ? Bad($"'{name}' may be {fitting[0].Name} or {fitting[1].Name}: name it with its scheme.")
            : ApiProblem.NotFound($"The service '{service.Config.Name}' has no endpoint '{name}'; it has {string.Join(", ", service.Endpoints.Take(10).Select(endpoint => endpoint.Name))}.");
    }

    private static ProblemHttpResult Bad(string detail) => ApiProblem.Make(400, "bad-query", "The query is not understood", detail);

    private static string DidYouMean(string written, IEnumerable<string> known) => new Suggestion().Nearest(written, known) is { } nearest ? $"; did you mean '{nearest}'?" : ".";
}
