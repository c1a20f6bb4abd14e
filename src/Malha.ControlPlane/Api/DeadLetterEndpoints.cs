using Malha.ControlPlane.Api.Views;
using Malha.Delivery;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Malha.ControlPlane.Api;

/// <summary>Operations that were given up: seen, delivered once more, or let go.</summary>
internal static class DeadLetterEndpoints
{
    private const int AtATime = 500;
    private static readonly string[] Causes = ["expired", "poison", "credential-expired", "undeliverable", "dropped"];

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/api/v1/deadletters", ListAsync).ProducesProblem(400).WithTags("delivery");
        app.MapPost("/api/v1/deadletters/replay", ReplayAsync).ProducesProblem(400).ProducesProblem(401).WithTags("delivery");
        app.MapPost("/api/v1/deadletters/drop", DropAsync).ProducesProblem(400).ProducesProblem(401).WithTags("delivery");
    }

    [EndpointSummary("Dead letters, by service and by when they were given up, oldest first.")]
    internal static async Task<Results<Ok<Page<OperationView>>, ProblemHttpResult>> ListAsync(LaneAccess access, string? service, string? cause, int? limit, string? after)
    {
        if ((Paging.CheckLimit(limit) ?? CheckCause(cause)) is { } wrong)
            return wrong;
        if (access.Find() is not { } lane)
            return TypedResults.Ok(new Page<OperationView>([], null));
        Operation? last = null;
        if (after is not null && (!OperationId.TryParse(after, out var id) || (last = (await lane.Store.FindAsync(id)).Value) is not { State: OperationState.Dead }))
            return OperationEndpoints.Bad($"after: '{after}' is no dead letter (any more); begin anew");

        var most = limit ?? Paging.DefaultLimit;
        var items = new List<OperationView>();
        await foreach (var dead in AllAsync(lane, service, cause, last))
        {
            if (items.Count == most)
                return TypedResults.Ok(new Page<OperationView>(items, items[^1].Id));
            items.Add(OperationEndpoints.Masked(lane.View(dead)));
        }
        return TypedResults.Ok(new Page<OperationView>(items, null));
    }

    [EndpointSummary("Puts dead letters back into their lanes, at the end, with a new time to live and no attempts counted.")]
    internal static Task<Results<Ok<DeadLetterResult>, ProblemHttpResult>> ReplayAsync(LaneAccess access, DeadLetterOrder order) => ApplyAsync(access, order, async (lane, dead) =>
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(lane.Time.GetUtcNow().ToUnixTimeMilliseconds());
        var life = dead.Expires is { } expires ? expires - dead.Created : (TimeSpan?)null;
        return await lane.Dispatcher.ChangeAsync(dead.Id, current => current.State != OperationState.Dead ? null : current with
        {
            State = OperationState.Waiting, DeadCause = DeadCause.None, Due = now, Expires = now + life, Finished = null, Forget = null, Refusals = 0, AttemptCount = 0, Attempts = [],
        }) is not null;
    });

    [EndpointSummary("Removes dead letters for good: nothing of them stays.")]
    internal static Task<Results<Ok<DeadLetterResult>, ProblemHttpResult>> DropAsync(LaneAccess access, DeadLetterOrder order) => ApplyAsync(access, order, async (lane, dead) =>
        (await lane.Store.ForgetAsync(dead.Id, dead.Revision, AckLevel.Leader)).Outcome == LogOutcome.Done);

    private static async Task<Results<Ok<DeadLetterResult>, ProblemHttpResult>> ApplyAsync(LaneAccess access, DeadLetterOrder order, Func<Lane, Operation, Task<bool>> apply)
    {
        if (order is { Ids: null or { Count: 0 }, Service: null, Cause: null, All: false })
            return OperationEndpoints.Bad("name ids, a service, a cause, or say all: true");
        if (CheckCause(order.Cause) is { } wrong)
            return wrong;
        if (access.Find() is not { } lane)
            return OperationEndpoints.Bad("the configuration has no delivery, and so no dead letters");

        var (changed, failed) = (0, new List<string>());
        foreach (var name in order.Ids ?? [])
        {
            var isDone = OperationId.TryParse(name, out var id) && (await lane.Store.FindAsync(id)).Value is { State: OperationState.Dead } dead && await apply(lane, dead);
            changed += isDone ? 1 : 0;
            if (!isDone)
                failed.Add(name);
        }
        if (order.Ids is { Count: > 0 })
            return TypedResults.Ok(new DeadLetterResult(changed, failed));
        await foreach (var dead in AllAsync(lane, order.Service, order.Cause, null))
        {
            if (await apply(lane, dead))
                changed++;
            else
                failed.Add(dead.Id.ToString());
        }
        return TypedResults.Ok(new DeadLetterResult(changed, failed));
    }

    private static ProblemHttpResult? CheckCause(string? cause) =>
        cause is null || Causes.Contains(cause) ? null : OperationEndpoints.Bad($"cause: '{cause}' is none of {string.Join(", ", Causes)}");

    // Lane by lane; what an order does to those before does not move those behind.
    private static async IAsyncEnumerable<Operation> AllAsync(Lane lane, string? service, string? cause, Operation? last)
    {
        foreach (var name in lane.Store.DeadLanes().Value ?? [])
        {
            if ((service is not null && name != service) || (last is not null && string.CompareOrdinal(name, last.Lane) < 0))
                continue;
            var after = last is not null && last.Lane == name ? LogEntry.OfDead(last) : null;
            while (lane.Store.DeadLetters(name, after, AtATime).Value is { Count: > 0 } entries)
            {
                foreach (var entry in entries)
                {
                    if ((await lane.Store.FindAsync(entry.Id)).Value is { State: OperationState.Dead } dead && (cause is null || OperationNames.Of(dead.DeadCause) == cause))
                        yield return dead;
                }
                after = entries[^1];
            }
        }
    }
}
