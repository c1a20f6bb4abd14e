using System.Text.Json;
using System.Text.Json.Serialization;

namespace Malha.Delivery.Operations;

/// <summary>An operation as its client and operators see it.</summary>
/// <param name="Id">Its name.</param>
/// <param name="State">waiting, running, succeeded, dead or cancelled.</param>
/// <param name="Durability">What was promised when it was accepted.</param>
/// <param name="Method">The request's method.</param>
/// <param name="Target">Its path and query.</param>
/// <param name="Service">Where it goes.</param>
/// <param name="Route">The route that it came by.</param>
/// <param name="Client">Who made it; null: nobody in particular.</param>
/// <param name="Key">What it shares with operations that are delivered in order; null: nothing.</param>
/// <param name="RequestId">The id of the request that made it.</param>
/// <param name="BodyBytes">Length of the request's body.</param>
/// <param name="Credentials">none, sealed, or not-kept: without a key in the configuration they are not.</param>
/// <param name="CreatedAt">When it was accepted.</param>
/// <param name="ExpiresAt">When it becomes a dead letter if it still waits.</param>
/// <param name="NextAttemptAt">When it is tried next at the earliest; null while it is not due for another reason, or over.</param>
/// <param name="WaitsFor">Why it is not tried now; null when it is, or is over.</param>
/// <param name="Position">How many wait in its lane before it; null when it does not wait, or too many do.</param>
/// <param name="AttemptCount">Attempts made.</param>
/// <param name="Attempts">The latest of them.</param>
/// <param name="FinishedAt">When it ended.</param>
/// <param name="Cause">Why it is among the dead letters: expired, poison, credential-expired, undeliverable or dropped.</param>
/// <param name="AnswerStatus">The status of the server's answer.</param>
/// <param name="Answer">Where that is.</param>
/// <param name="Callback">What became of telling its end; null: nobody is to be told.</param>
public sealed record OperationView(
    string Id, string State, DurabilityView Durability, string Method, string Target, string Service, string Route, string? Client, string? Key, string RequestId, long BodyBytes,
    string Credentials, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? NextAttemptAt, string? WaitsFor, int? Position, int AttemptCount,
    IReadOnlyList<DeliveryAttemptView> Attempts, DateTimeOffset? FinishedAt, string? Cause, int? AnswerStatus, string? Answer, CallbackView? Callback)
{
    /// <summary>Counting further costs more than it tells.</summary>
    private const int CountedAtMost = 10_000;

    internal static OperationView Of(Operation operation, Lane lane)
    {
        var isRunning = lane.Dispatcher.IsUnderWay(operation.Id);
        var waits = operation.State == OperationState.Waiting;
        var before = waits && !isRunning ? lane.Store.Before(operation.Lane, operation.Position, CountedAtMost) : CountedAtMost;
        var isDue = waits && !operation.IsBehind && !isRunning;
        return new OperationView(
            operation.Id.ToString(), OperationNames.Of(operation.State, isRunning && waits), DurabilityView.Of(lane.Store.DurabilityOf(operation)), operation.Method,
            operation.Target, operation.Service, operation.Route, OperationOwner.ClientOf(operation.Owner), operation.Key.Length > 0 ? operation.Key : null, operation.RequestId,
            operation.BodyBytes, operation.HasLostCredentials ? "not-kept" : operation.SealedCredentials.IsEmpty ? "none" : "sealed", operation.Created,
            waits ? operation.Expires : null, isDue ? operation.Due : null, waits && !isRunning ? lane.Dispatcher.WhyWaits(operation) : null,
            before < CountedAtMost ? before : null, operation.AttemptCount, [.. operation.Attempts.Select(DeliveryAttemptView.Of)], operation.Finished,
            OperationNames.Of(operation.DeadCause), operation.AnswerStatus > 0 ? operation.AnswerStatus : null,
            operation.AnswerStatus > 0 ? OperationPath.Of(operation.Id) + "/response" : null, CallbackView.Of(operation));
    }
}

/// <summary>What a 202 promised.</summary>
/// <param name="Level">none, leader or all.</param>
/// <param name="Where">memory, operating-system, local-disk, or kafka.</param>
/// <param name="Copies">How many there are.</param>
public sealed record DurabilityView(string Level, string Where, int Copies)
{
    internal static DurabilityView Of(Durability durability) => new(OperationNames.Of(durability.Level), durability.Where, durability.Copies);
}

/// <summary>One attempt to deliver it.</summary>
/// <param name="At">When.</param>
/// <param name="Outcome">answered, connection-failed, timed-out, reset or refused.</param>
/// <param name="Status">The answer's status; null when there was none.</param>
public sealed record DeliveryAttemptView(DateTimeOffset At, string Outcome, int? Status)
{
    internal static DeliveryAttemptView Of(AttemptRecord attempt) => new(attempt.At, OperationNames.Of(attempt.Result), attempt.Status > 0 ? attempt.Status : null);
}

/// <summary>What became of telling an operation's end.</summary>
/// <param name="State">waiting (for the operation's end), pending, delivered, gone or given-up.</param>
/// <param name="Host">Whom it is told to.</param>
/// <param name="Attempts">How often that was tried.</param>
/// <param name="NextAttemptAt">When it is tried next.</param>
/// <param name="Status">The receiver's last answer.</param>
/// <param name="Problem">Why there was none.</param>
public sealed record CallbackView(string State, string Host, int Attempts, DateTimeOffset? NextAttemptAt, int? Status, string? Problem)
{
    internal static CallbackView? Of(Operation operation) => operation.Callback.Length == 0 ? null : new(
        OperationNames.Of(operation.CallbackState), Callbacks.CallbackMessage.HostOf(operation), operation.CallbackAttempts, operation.CallbackDue,
        operation.CallbackStatus > 0 ? operation.CallbackStatus : null, operation.CallbackProblem.Length > 0 ? operation.CallbackProblem : null);
}

/// <summary>Some of a client's operations.</summary>
/// <param name="Items">In the order of acceptance.</param>
/// <param name="Next">What to give as `after` for the next ones; null: there are none.</param>
public sealed record OperationList(IReadOnlyList<OperationView> Items, string? Next);

/// <summary>How they become JSON.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, NumberHandling = JsonNumberHandling.Strict, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(OperationView))]
[JsonSerializable(typeof(OperationList))]
[JsonSerializable(typeof(Callbacks.CallbackPayload))]
internal sealed partial class OperationJson : JsonSerializerContext;

/// <summary>Where operations are, on every listener.</summary>
internal static class OperationPath
{
    public const string Collection = "/.malha/operations";

    public static string Of(OperationId id) => $"{Collection}/{id}";
}

/// <summary>Who owns an operation. Callers that nothing tells apart own theirs together, and find them by their names alone, which cannot be guessed.</summary>
internal static class OperationOwner
{
    public const string Anybody = "anybody";

    private const string Client = "client:";

    public static string Of(Malha.Proxy.Identity.ClientModel? client) => client is { IsRecognised: true } ? Client + client.Name : Anybody;

    /// <summary>The client's name in the file; null: nobody in particular.</summary>
    public static string? ClientOf(string owner) => owner.StartsWith(Client, StringComparison.Ordinal) ? owner[Client.Length..] : null;
}

/// <summary>Words for the numbers on disk.</summary>
internal static class OperationNames
{
    public static string Of(OperationState state, bool isRunning) => state switch
    {
        OperationState.Waiting => isRunning ? "running" : "waiting",
        OperationState.Succeeded => "succeeded",
        OperationState.Dead => "dead",
        _ => "cancelled",
    };

    public static string Of(AckLevel acks) => acks switch { AckLevel.None => "none", AckLevel.Leader => "leader", _ => "all" };

    public static string Of(CallbackState state) => state switch
    {
        CallbackState.None => "waiting",
        CallbackState.Pending => "pending",
        CallbackState.Delivered => "delivered",
        CallbackState.Gone => "gone",
        _ => "given-up",
    };

    public static string Of(AttemptResult result) => result switch
    {
        AttemptResult.Answered => "answered",
        AttemptResult.ConnectionFailed => "connection-failed",
        AttemptResult.TimedOut => "timed-out",
        AttemptResult.Reset => "reset",
        _ => "refused",
    };

    /// <summary>Null: it is not dead.</summary>
    public static string? Of(DeadCause cause) => cause switch
    {
        DeadCause.None => null,
        DeadCause.Expired => "expired",
        DeadCause.Poison => "poison",
        DeadCause.CredentialExpired => "credential-expired",
        DeadCause.Undeliverable => "undeliverable",
        _ => "dropped",
    };
}
