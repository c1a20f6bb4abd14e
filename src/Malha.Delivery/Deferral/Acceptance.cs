using System.Globalization;
using System.Text;
using Malha.Configuration;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Malha.Proxy;
using Malha.Proxy.Deferral;
using Malha.Proxy.Http1;

namespace Malha.Delivery.Deferral;

/// <summary>Makes an operation of a request, stores it as its route's acks say, and answers 202.</summary>
internal sealed class Acceptance(Lane lane)
{
    /// <summary>A disk that does not take it by then does not take it now; it says so itself much sooner, as a rule.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly AcceptedAnswer _answer = new(lane);

    /// <summary>Who may repeat a call. Callers that nothing tells apart are told apart by their addresses here, so that none gets another's operation by guessing a key.</summary>
    public static string CallerOf(Exchange exchange, string owner) =>
        owner == OperationOwner.Anybody ? $"{owner} at {exchange.Caller.Address}" : owner;

    /// <summary>Stores the request and answers 202.</summary>
    /// <param name="exchange">Nothing has been answered yet.</param>
    /// <param name="kept">What was kept of it.</param>
    /// <param name="why">Why it is not done now; none: it was asked for.</param>
    public async ValueTask<Refusal> AcceptAsync(Exchange exchange, KeptRequest kept, Refusal why)
    {
        if (await ReadAsync(exchange, kept) is { IsNone: false } unread)
            return unread;
        if (kept.Body.IsTooLarge)
            return new Refusal(RefusalKind.NotKept, Rule: lane.Settings.MaxBodyRule, Limit: lane.Settings.Config.MaxBody, Observed: kept.Body.Length, Unit: "bytes",
                Detail: "the body is larger than what is kept");
        if (kept.Body.IsLost || await kept.Body.ReadAsync() is not { } body)
            return NotKept("the disk does not take it", why);

        var operation = Make(exchange, kept, body);
        LogResult result;
        using (var patience = new CancellationTokenSource(Patience, lane.Time))
            result = await lane.Store.AcceptAsync(operation, body, patience.Token);
        // Before the answer: whoever has it may send the key again at once, and finds the operation.
        kept.Release();
        if (result.Outcome == LogOutcome.PayloadDiffers)
            return Reused(result.Id);
        if (!result.IsAcknowledged)
            return NotKept(WhyNot(result.Outcome), why);

        exchange.Deferred = new DeferredRequest(result.Id.ToString(), OperationNames.Of(operation.Acks), why);
        if (result.Outcome == LogOutcome.Done)
            lane.Dispatcher.Accepted(operation);
        return await _answer.SendAsync(exchange, kept.Preference, result.Id, result.Outcome == LogOutcome.Done ? operation : null, why);
    }

    /// <summary>A call with this Idempotency-Key made an operation before: the same answer, if it is the same call.</summary>
    public async ValueTask<Refusal> RepeatAsync(Exchange exchange, KeptRequest kept, Operation before)
    {
        // The operation stands for the key now.
        kept.Release();
        if (await ReadAsync(exchange, kept) is { IsNone: false } unread)
            return unread;
        if (kept.Body.IsTooLarge || kept.Body.IsLost || await kept.Body.ReadAsync() is not { } body)
            return Reused(before.Id);
        var now = DeduplicationOf(exchange, kept, body)!;
        return now.Payload.Span.SequenceEqual(before.Deduplication!.Payload.Span) ? await _answer.SendAsync(exchange, kept.Preference, before.Id, null, Refusal.None) : Reused(before.Id);
    }

    // The rest of the body, however far it has come. A client that waits for 100 is told to go on.
    private static async ValueTask<Refusal> ReadAsync(Exchange exchange, KeptRequest kept)
    {
        if (exchange.HasUpload)
        {
            await exchange.Upload;
            exchange.HasUpload = false;
        }
        var body = exchange.Body;
        if (!body.IsComplete && exchange.AwaitsContinue)
        {
            if (!await exchange.Response.SendContinueAsync())
                return new Refusal(RefusalKind.ClientGone);
            exchange.Continue();
        }
        while (!body.IsComplete && body.Fault == HttpFault.None && !body.IsBroken && exchange.Cancelled == CancelReason.None && !kept.Body.IsTooLarge)
        {
            if (!await body.NextAsync())
                break;
        }
        await Off.EngineAsync();
        if (kept.Body.IsTooLarge)
            return Refusal.None;
        if (exchange.Cancelled != CancelReason.None)
            return Refusals.Cancelled(exchange);
        if (!body.IsComplete)
            return Refusals.BodyFault(exchange);
        exchange.Source.WatchClient();
        return Refusal.None;
    }

    private Operation Make(Exchange exchange, KeptRequest kept, byte[] body)
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(lane.Time.GetUtcNow().ToUnixTimeMilliseconds());
        var head = exchange.Request;
        var id = OperationId.New(now, lane.Chance);
        var (fields, credentials) = RequestFields.Of(exchange);
        var sealedCredentials = lane.Settings.Seal.Seal(credentials, id, kept.Owner);
        var service = exchange.Service!.Config.Name;
        return new Operation
        {
            Id = id,
            Owner = kept.Owner,
            Class = exchange.Model.Classes is { Length: > 0 } classes ? classes[exchange.ShareClass].Name : "",
            Service = service,
            Lane = service,
            Key = kept.Key,
            Acks = kept.Defer.Acks switch { AckChoice.None => AckLevel.None, AckChoice.Leader => AckLevel.Leader, _ => AckLevel.All },
            Method = Encoding.Latin1.GetString(head.Bytes(head.Method)),
            Target = TargetOf(head),
            Headers = fields,
            SealedCredentials = sealedCredentials,
            HasLostCredentials = credentials.Count > 0 && sealedCredentials.Length == 0,
            TraceParent = Encoding.Latin1.GetString(exchange.Trace.Parent),
            RequestId = Encoding.Latin1.GetString(exchange.RequestId),
            Route = exchange.Route!.Name,
            ClientAddress = Encoding.Latin1.GetString(exchange.Connection.ClientAddress),
            CameOverTls = exchange.Connection.IsTls,
            Callback = kept.Defer.Callback?.AbsoluteUri ?? "",
            Deduplication = DeduplicationOf(exchange, kept, body),
            Created = now,
            Due = now,
            Expires = now + kept.Defer.Ttl,
        };
    }

    private static Deduplication? DeduplicationOf(Exchange exchange, KeptRequest kept, byte[] body) => kept.IdempotencyKey is not { } key ? null
        : Deduplication.Of(CallerOf(exchange, kept.Owner), key, Encoding.Latin1.GetString(exchange.Request.Bytes(exchange.Request.Method)), TargetOf(exchange.Request), body);

    private static string TargetOf(RequestHead head)
    {
        var path = head.Path.IsEmpty ? "/" : Encoding.Latin1.GetString(head.Bytes(head.Path));
        return head.Query.IsEmpty ? path : path + Encoding.Latin1.GetString(head.Bytes(head.Query));
    }

    private static Refusal Reused(OperationId id) => new(
        RefusalKind.IdempotencyKeyReused, Rule: "Idempotency-Key", Detail: string.Create(CultureInfo.InvariantCulture, $"operation {id} was made with it, of another method, target or body"));

    private static Refusal NotKept(string detail, in Refusal why) =>
        new(RefusalKind.NotKept, Rule: why.Rule, Detail: detail, RetryAfterMs: Math.Max(1000, why.RetryAfterMs));

    private static string WhyNot(LogOutcome outcome) => outcome switch
    {
        LogOutcome.Full => "too many requests wait to be written",
        LogOutcome.DiskNearlyFull => "the disk of the durable lane is nearly full",
        LogOutcome.TooLarge => "its key or its client's name is longer than what is kept",
        LogOutcome.Withdrawn => "the disk of the durable lane did not take it in time",
        _ => "the disk of the durable lane failed, or did not answer in time; it may have been kept",
    };
}
