using System.Text;
using Malha.Configuration;
using Malha.Delivery.Operations;
using Malha.Proxy;
using Malha.Proxy.Deferral;
using Malha.Proxy.Http1;

namespace Malha.Delivery.Deferral;

/// <summary>
/// Decides which requests are accepted for later. Never one that a server may have carried out and must not carry out twice; never a GET or HEAD that did not ask for it; never
/// one whose answer could not be 202 (gRPC, a switch of protocols). Whatever touches the store happens on the thread pool.
/// </summary>
internal sealed class LaneDeferral(Lane lane) : IDeferral
{
    private const int MaxIdempotencyKey = 255;

    private readonly RunningKeys _running = new();
    private readonly Acceptance _acceptance = new(lane);
    private readonly OperationResource _resource = new(lane);

    public ValueTask<Refusal> BeginAsync(Exchange exchange)
    {
        var head = exchange.Request;
        if (exchange.IsGrpc || head.WantsUpgrade || head.IsAsterisk || head.Kind is HttpMethodKind.Connect or HttpMethodKind.Trace or HttpMethodKind.Options)
            return new(Refusal.None);
        var defer = exchange.Route!.Defer!;
        var preference = Preference.Of(head);
        if (head.Kind is HttpMethodKind.Get or HttpMethodKind.Head && !preference.RespondAsync)
            return new(Refusal.None);

        var idempotencyKey = head.Has(KnownHeader.IdempotencyKey) ? Encoding.Latin1.GetString(head.Value(KnownHeader.IdempotencyKey)) : null;
        if (idempotencyKey is null && defer.RequiresIdempotencyKey && !head.IsIdempotent)
            return new(new Refusal(RefusalKind.IdempotencyKeyMissing, Rule: defer.Source.Of("idempotencyKey").Path));
        if (idempotencyKey is { Length: 0 or > MaxIdempotencyKey })
            return new(new Refusal(RefusalKind.IdempotencyKeyMissing, Rule: "Idempotency-Key", Limit: MaxIdempotencyKey, Observed: idempotencyKey.Length, Unit: "characters"));

        var kept = Keep(exchange, defer, preference, idempotencyKey);
        var isNow = defer.When == DeferWhen.Always || (defer.When == DeferWhen.Preferred && preference.RespondAsync);
        // What is announced to be too large to be kept goes its way.
        isNow &= head.ContentLength <= lane.Settings.Config.MaxBody;
        return idempotencyKey is null && !isNow && !MayWaitBehind(exchange, kept) ? new(Refusal.None) : DecideAsync(exchange, kept, isNow);
    }

    public ValueTask<Refusal> InsteadAsync(Exchange exchange, Refusal refusal) =>
        exchange.Kept is KeptRequest kept && MayBeDone(exchange) && IsReason(exchange, kept.Defer, refusal.Kind, out var isOverload)
            ? AcceptAsync(exchange, kept, refusal, isOverload) : new(refusal);

    public void Ended(Exchange exchange)
    {
        if (exchange.Kept is KeptRequest kept)
            kept.Release();
    }

    public ValueTask<Refusal> AnswerAsync(Exchange exchange) => _resource.AnswerAsync(exchange);

    private KeptRequest Keep(Exchange exchange, DeferConfig defer, Preference preference, string? idempotencyKey)
    {
        var settings = lane.Settings.Config;
        var owner = OperationOwner.Of(exchange.Caller.Client);
        var kept = new KeptRequest(defer, owner, new KeptBody(lane.BodyFolder, settings.MaxBody), preference)
        {
            IdempotencyKey = idempotencyKey,
            Key = KeyOf(exchange, defer.Key, owner),
        };
        exchange.Kept = kept;
        kept.Body.Add(exchange.Body.Prefix);
        kept.Body.Add(exchange.Body.Stored.Span);
        exchange.Body.Keeper = kept.Body;
        return kept;
    }

    private static string KeyOf(Exchange exchange, DeferKey? key, string owner)
    {
        if (key is null)
            return "";
        if (key.Header is not { } name)
            return owner;
        foreach (ref readonly var field in exchange.Request.Fields)
        {
            var written = exchange.Request.Bytes(field.Name);
            if (written.Length == name.Length && Ascii.EqualsIgnoreCase(written, name))
                return Encoding.Latin1.GetString(exchange.Request.Bytes(field.Value));
        }
        return "";
    }

    // Operations of its key that wait would be overtaken by it.
    private bool MayWaitBehind(Exchange exchange, KeptRequest kept) => kept.Key.Length > 0 && lane.Store.Depth(exchange.Service!.Config.Name) > 0;

    private async ValueTask<Refusal> DecideAsync(Exchange exchange, KeptRequest kept, bool isNow)
    {
        await Off.EngineAsync();
        if (kept.IdempotencyKey is { } key)
        {
            var caller = Acceptance.CallerOf(exchange, kept.Owner);
            // First who carries it out now, then what was accepted before: a call that ends in an operation holds the key until that is stored.
            if (_running.TryTake(caller, key) is not { } hold)
                return new Refusal(RefusalKind.IdempotencyKeyInUse, Rule: "Idempotency-Key", RetryAfterMs: 1000);
            kept.Running = hold;
            if (lane.Store.Find(Deduplication.Of(caller, key, "", "", [])).Value is { } before)
                return await _acceptance.RepeatAsync(exchange, kept, before);
        }
        if (isNow)
            return await _acceptance.AcceptAsync(exchange, kept, Refusal.None);
        var isBehind = MayWaitBehind(exchange, kept) && lane.Store.Key(exchange.Service!.Config.Name, kept.Key, 1).Value is { Count: > 0 };
        return isBehind ? await _acceptance.AcceptAsync(exchange, kept, Refusal.None) : Refusal.None;
    }

    private async ValueTask<Refusal> AcceptAsync(Exchange exchange, KeptRequest kept, Refusal refusal, bool isOverload)
    {
        await Off.EngineAsync();
        if (isOverload && lane.Store.Owner(kept.Owner, waits: true, 0, kept.Defer.Overloaded!.Value).Value is { } waiting && waiting.Count >= kept.Defer.Overloaded)
            return refusal;
        return await _acceptance.AcceptAsync(exchange, kept, refusal);
    }

    // Whether it is certain that no server has carried it out, or carrying it out twice is harmless.
    private static bool MayBeDone(Exchange exchange) => !exchange.MayHaveRun || exchange.Request.MayRunTwice;

    private static bool IsReason(Exchange exchange, DeferConfig defer, RefusalKind kind, out bool isOverload)
    {
        isOverload = kind is RefusalKind.Overloaded or RefusalKind.OverCapacity or RefusalKind.Throttled or RefusalKind.ConnectionLimit;
        if (isOverload)
            return defer.Overloaded is not null;
        return kind is RefusalKind.BreakerOpen or RefusalKind.Unhealthy or RefusalKind.NoEndpoint or RefusalKind.ConnectFailed or RefusalKind.ConnectTimeout or RefusalKind.Untrusted
            or RefusalKind.ConnectionLost
            // The time ran out before anybody took the connection.
            || (kind == RefusalKind.Deadline && exchange.Attempts > 0 && !exchange.MayHaveRun);
    }
}
