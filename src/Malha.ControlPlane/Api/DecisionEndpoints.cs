using System.Globalization;
using Malha.ControlPlane.Api.Views;
using Malha.Proxy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Malha.ControlPlane.Api;

/// <summary>Why requests were refused, retried or given up.</summary>
internal static class DecisionEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/api/v1/decisions", Decisions).ProducesProblem(400).WithTags("decisions");
        app.MapGet("/api/v1/decisions/{id}", Decision).ProducesProblem(404).WithTags("decisions");
    }

    [EndpointSummary("The latest decisions, newest first.")]
    internal static Results<Ok<Page<DecisionView>>, ProblemHttpResult> Decisions(GatewayHost gateway, int? limit, long? after)
    {
        if (Paging.CheckLimit(limit) is { } problem)
            return problem;
        var most = limit ?? Paging.DefaultLimit;
        var decisions = gateway.Telemetry.Decisions.Latest(after ?? long.MaxValue, most + 1);
        var isLast = decisions.Count <= most;
        var taken = isLast ? decisions : decisions[..^1];
        return TypedResults.Ok(new Page<DecisionView>([.. taken.Select(DecisionView.Of)], isLast ? null : taken[^1].Sequence.ToString(CultureInfo.InvariantCulture)));
    }

    [EndpointSummary("The latest decision about a request. Decisions are kept in memory, the last few thousand of them.")]
    internal static Results<Ok<DecisionView>, ProblemHttpResult> Decision(GatewayHost gateway, string id) =>
        gateway.Telemetry.Decisions.Find(id) is { } decision
            ? TypedResults.Ok(DecisionView.Of(decision))
            : ApiProblem.NotFound($"Nothing is known about a request '{id}': it was answered without a decision, or too many others have come since.");
}
