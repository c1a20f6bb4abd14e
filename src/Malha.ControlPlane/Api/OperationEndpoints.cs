using System.Text;
using Malha.ControlPlane.Api.Views;
using Malha.Delivery;
using Malha.Delivery.Operations;
using Malha.Proxy.Telemetry.Logging;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Malha.ControlPlane.Api;

/// <summary>Finds the durable lane that runs; null: the configuration asks for none.</summary>
internal sealed record LaneAccess(Func<Lane?> Find);

/// <summary>Operations, dead letters and lanes, for operators: they may see everybody's.</summary>
internal static class OperationEndpoints
{
    /// <summary>How many operations one question looks at, at most; what fits behind them is on the next page.</summary>
    private const int ScannedAtMost = 20_000;

    private const int ScannedAtATime = 500;
    private static readonly string[] States = ["waiting", "running", "succeeded", "dead", "cancelled"];

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/api/v1/lanes", LanesAsync).ProducesProblem(400).WithTags("delivery");
        app.MapGet("/api/v1/operations", OperationsAsync).ProducesProblem(400).WithTags("delivery");
        app.MapGet("/api/v1/operations/{id}", OperationAsync).ProducesProblem(404).WithTags("delivery");
        app.MapGet("/api/v1/operations/{id}/response", ResponseAsync).ProducesProblem(404).WithTags("delivery");
        app.MapPost("/api/v1/operations/{id}/retry", RetryAsync).ProducesProblem(401).ProducesProblem(404).ProducesProblem(409).WithTags("delivery");
        app.MapPost("/api/v1/operations/{id}/cancel", CancelAsync).ProducesProblem(401).ProducesProblem(404).ProducesProblem(409).WithTags("delivery");
        app.MapDelete("/api/v1/operations/{id}", DropAsync).ProducesProblem(401).ProducesProblem(404).ProducesProblem(409).WithTags("delivery");
    }

    [EndpointSummary("The lanes of the durable lane: how many operations wait, for how long, and why.")]
    internal static async Task<Results<Ok<Page<LaneView>>, ProblemHttpResult>> LanesAsync(LaneAccess access, int? limit, string? after)
    {
        if (access.Find() is not { } lane)
            return TypedResults.Ok(new Page<LaneView>([], null));
        var views = new List<LaneView>();
        foreach (var one in lane.Dispatcher.Lanes.OrderBy(one => one.Name, StringComparer.Ordinal))
            views.Add(await LaneView.OfAsync(lane, one));
        var page = Paging.Cut(views, view => view.Name, view => view, limit, after, out var problem);
        return page is null ? problem! : TypedResults.Ok(page);
    }

    [EndpointSummary("Operations by the time that they were made, oldest first. A page may hold fewer than asked for, and still have a next.")]
    internal static async Task<Results<Ok<Page<OperationView>>, ProblemHttpResult>> OperationsAsync(
        LaneAccess access, string? service, string? state, string? client, int? limit, string? after)
    {
        await Task.CompletedTask;
        if (Paging.CheckLimit(limit) is { } wrong)
            return wrong;
        if (state is not null && !States.Contains(state))
            return Bad($"state: '{state}' is none of {string.Join(", ", States)}");
        OperationId? last = null;
        if (after is not null)
        {
            if (!OperationId.TryParse(after, out var id))
                return Bad($"after: '{after}' is no operation");
            last = id;
        }
        if (access.Find() is not { } lane)
            return TypedResults.Ok(new Page<OperationView>([], null));

        var most = limit ?? Paging.DefaultLimit;
        var items = new List<OperationView>();
        for (var scanned = 0; scanned < ScannedAtMost;)
        {
            var found = lane.Store.All(last, ScannedAtATime).Value ?? [];
            foreach (var operation in found)
            {
                last = operation.Id;
                scanned++;
                if ((service is not null && operation.Service != service) || (client is not null && OperationOwner.ClientOf(operation.Owner) != client))
                    continue;
                var view = Masked(lane.View(operation));
                if (state is null || view.State == state || (state == "waiting" && view.State == "running"))
                    items.Add(view);
                if (items.Count == most)
                    return TypedResults.Ok(new Page<OperationView>(items, last.ToString()));
            }
            if (found.Count < ScannedAtATime)
                return TypedResults.Ok(new Page<OperationView>(items, null));
        }
        return TypedResults.Ok(new Page<OperationView>(items, last.ToString()));
    }

    [EndpointSummary("One operation.")]
    internal static async Task<Results<Ok<OperationView>, ProblemHttpResult>> OperationAsync(LaneAccess access, string id)
    {
        var (lane, operation, problem) = await FindAsync(access, id);
        return problem is not null ? problem : TypedResults.Ok(Masked(lane!.View(operation!)));
    }

    [EndpointSummary("The server's answer to an operation: of a dead letter the last one.")]
    internal static async Task<Results<Ok<AnswerView>, ProblemHttpResult>> ResponseAsync(LaneAccess access, string id)
    {
        var (lane, operation, problem) = await FindAsync(access, id);
        if (problem is not null)
            return problem;
        if (lane!.Store.Answer(operation!.Id).Value is not { } answer)
            return ApiProblem.NotFound($"The operation {id} has no answer.");
        var isText = TryText(answer.Body.Span, out var text);
        return TypedResults.Ok(new AnswerView(answer.Status, [.. answer.Headers.Select(header => new FieldView(header.Name, header.Value))],
            isText ? text : Convert.ToBase64String(answer.Body.Span), !isText, answer.IsTooLarge));
    }

    [EndpointSummary("Tries an operation that waits at once, whatever its back-off.")]
    internal static Task<Results<Ok<OperationView>, ProblemHttpResult>> RetryAsync(LaneAccess access, string id) => ChangeAsync(access, id, "retried", (lane, operation) =>
        operation.State == OperationState.Waiting ? operation with { Due = Whole(lane.Time.GetUtcNow()) } : null);

    [EndpointSummary("Takes an operation back that waits; its client is told so.")]
    internal static Task<Results<Ok<OperationView>, ProblemHttpResult>> CancelAsync(LaneAccess access, string id) => ChangeAsync(access, id, "cancelled", (lane, operation) =>
        operation.State != OperationState.Waiting ? null : operation with
        {
            State = OperationState.Cancelled, Finished = Whole(lane.Time.GetUtcNow()), Forget = Whole(lane.Settings.ForgetAt(lane.Time.GetUtcNow(), isDead: false)),
        });

    [EndpointSummary("Makes an operation that waits a dead letter, by an operator's word.")]
    internal static Task<Results<Ok<OperationView>, ProblemHttpResult>> DropAsync(LaneAccess access, string id) => ChangeAsync(access, id, "dropped", (lane, operation) =>
        operation.State == OperationState.Waiting ? lane.Dispatcher.Redelivery.Dead(operation, DeadCause.Dropped, lane.Time.GetUtcNow()) : null);

    /// <summary>Secrets that may stand in a query are not shown to operators.</summary>
    internal static OperationView Masked(OperationView view)
    {
        var target = Encoding.Latin1.GetBytes(view.Target);
        if (!SecretQuery.IsSuspect(target))
            return view;
        var masked = new byte[Math.Max(512, 2 * target.Length)];
        return view with { Target = Encoding.Latin1.GetString(masked, 0, SecretQuery.Copy(target, masked)) };
    }

    internal static async Task<(Lane? Lane, Operation? Operation, ProblemHttpResult? Problem)> FindAsync(LaneAccess access, string id)
    {
        if (access.Find() is not { } lane)
            return (null, null, ApiProblem.NotFound("The configuration has no delivery, and so no operations."));
        if (!OperationId.TryParse(id, out var name) || (await lane.Store.FindAsync(name)).Value is not { } operation)
            return (lane, null, ApiProblem.NotFound($"There is no operation '{id}': it never was, or its retention has ended."));
        return (lane, operation, null);
    }

    internal static ProblemHttpResult Bad(string detail) => ApiProblem.Make(400, "bad-query", "The query is not understood", detail);

    private static async Task<Results<Ok<OperationView>, ProblemHttpResult>> ChangeAsync(LaneAccess access, string id, string what, Func<Lane, Operation, Operation?> change)
    {
        var (lane, operation, problem) = await FindAsync(access, id);
        if (problem is not null)
            return problem;
        if (await lane!.Dispatcher.ChangeAsync(operation!.Id, current => change(lane, current)) is { } changed)
            return TypedResults.Ok(Masked(lane.View(changed)));
        return ApiProblem.Make(409, "operation-not-changed", "The operation cannot be changed so", $"The operation {id} is {lane.View(operation).State}, and cannot be {what} now.");
    }

    private static bool TryText(ReadOnlySpan<byte> body, out string text)
    {
        text = "";
        if (!System.Text.Unicode.Utf8.IsValid(body) || body.Contains((byte)0))
            return false;
        text = Encoding.UTF8.GetString(body);
        return true;
    }

    private static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());
}
