using System.Globalization;
using System.Text;
using System.Text.Json;
using Malha.Delivery.Deferral;
using Malha.Proxy;
using Malha.Proxy.Http1;

namespace Malha.Delivery.Operations;

/// <summary>
/// <c>/.malha/operations</c> on every listener: a client's own operations. Another's look like none at all. What a client that nothing tells apart has made is found by whoever
/// knows its name, and cannot be listed.
/// </summary>
internal sealed class OperationResource(Lane lane)
{
    private const int ListedAtMost = 100;
    private static readonly byte[] Json = "Content-Type: application/json\r\nCache-Control: no-store\r\n"u8.ToArray();
    private static readonly byte[] JsonWaited = "Content-Type: application/json\r\nCache-Control: no-store\r\nPreference-Applied: wait\r\n"u8.ToArray();

    public async ValueTask<Refusal> AnswerAsync(Exchange exchange)
    {
        await Off.EngineAsync();
        var head = exchange.Request;
        var path = Encoding.Latin1.GetString(head.Bytes(head.Path));
        if (!path.StartsWith(OperationPath.Collection, StringComparison.Ordinal))
            return new Refusal(RefusalKind.NoOperation);
        var rest = path[OperationPath.Collection.Length..].TrimEnd('/');
        var isReading = head.Kind is HttpMethodKind.Get or HttpMethodKind.Head;
        if (rest.Length == 0)
            return isReading ? await ListAsync(exchange) : new Refusal(RefusalKind.OperationMethod);

        var parts = rest[1..].Split('/');
        if (rest[0] != '/' || parts.Length > 2 || !OperationId.TryParse(parts[0], out var id) || (parts.Length == 2 && parts[1] != "response"))
            return new Refusal(RefusalKind.NoOperation);
        if (await FindAsync(exchange, id) is not { } operation)
            return new Refusal(RefusalKind.NoOperation);
        exchange.Operation = Encoding.ASCII.GetBytes(parts[0]);
        if (parts.Length == 2)
            return isReading ? await ResponseAsync(exchange, operation) : new Refusal(RefusalKind.OperationMethod);
        if (head.Kind == HttpMethodKind.Delete)
            return await CancelAsync(exchange, operation);
        return isReading ? await ShowAsync(exchange, operation) : new Refusal(RefusalKind.OperationMethod);
    }

    private async ValueTask<Refusal> ShowAsync(Exchange exchange, Operation operation)
    {
        var waited = await WaitedAsync(exchange, operation);
        await SendAsync(exchange, 200, waited is null ? Json : JsonWaited, lane.View(waited ?? operation));
        return Refusal.None;
    }

    private async ValueTask<Refusal> ResponseAsync(Exchange exchange, Operation operation)
    {
        operation = await WaitedAsync(exchange, operation) ?? operation;
        if (operation.AnswerStatus == 0 || lane.Store.Answer(operation.Id).Value is not { } answer)
            return new Refusal(RefusalKind.NoAnswer, RetryAfterMs: operation.State == OperationState.Waiting ? 1000 : 0);
        if (answer.IsTooLarge)
            return new Refusal(RefusalKind.AnswerNotKept, Rule: lane.Settings.MaxBodyRule, Detail: string.Create(CultureInfo.InvariantCulture, $"the server answered {answer.Status}"));
        await StoredAnswer.SendAsync(exchange, answer, "");
        return Refusal.None;
    }

    private async ValueTask<Refusal> CancelAsync(Exchange exchange, Operation operation)
    {
        var cancelled = await lane.Dispatcher.CancelAsync(operation.Id, byOperator: false);
        if (cancelled is null)
            return new Refusal(RefusalKind.OperationStarted, Detail: $"its state is {lane.View(operation).State}, after {operation.AttemptCount} attempts");
        await SendAsync(exchange, 200, Json, lane.View(cancelled));
        return Refusal.None;
    }

    private async ValueTask<Refusal> ListAsync(Exchange exchange)
    {
        var owner = OperationOwner.Of(exchange.Caller.Client);
        if (owner == OperationOwner.Anybody)
            return new Refusal(RefusalKind.Unauthenticated, Detail: "operations are listed for known clients only");
        var query = Encoding.Latin1.GetString(exchange.Request.Bytes(exchange.Request.Query));
        var after = QueryValue(query, "after");
        // Those that wait come first; `after` names the part of the list and the position in it.
        var waits = after is null || after.StartsWith('w');
        var position = 0L;
        if (after is not null && (after.Length < 2 || !long.TryParse(after.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out position)))
            return new Refusal(RefusalKind.NoOperation, Detail: "after: not what a page before gave as next");

        var items = new List<OperationView>();
        var next = await AddAsync(items, owner, waits, position);
        if (next is null && waits)
            next = await AddAsync(items, owner, waits: false, 0);
        var body = JsonSerializer.SerializeToUtf8Bytes(new OperationList(items, next), OperationJson.Default.OperationList);
        await exchange.Response.SendOwnAsync(exchange, 200, Json, body, close: false);
        return Refusal.None;
    }

    private async ValueTask<string?> AddAsync(List<OperationView> items, string owner, bool waits, long after)
    {
        var room = ListedAtMost - items.Count;
        var entries = lane.Store.Owner(owner, waits, after, room + 1).Value ?? [];
        foreach (var entry in entries.Take(room))
        {
            if ((await lane.Store.FindAsync(entry.Id)).Value is { } operation)
                items.Add(lane.View(operation));
        }
        return entries.Count <= room ? null : $"{(waits ? 'w' : 'e')}{(room == 0 ? after : entries[room - 1].Position)}";
    }

    // As it is after the wait that the client asked for; null: it asked for none.
    private async ValueTask<Operation?> WaitedAsync(Exchange exchange, Operation operation)
    {
        if (operation.State != OperationState.Waiting || Preference.Of(exchange.Request).Wait is not { } wait || wait <= TimeSpan.Zero)
            return null;
        await lane.Ends.WaitAsync(operation.Id, async () => (await lane.Store.FindAsync(operation.Id)).Value is not { State: OperationState.Waiting }, wait, lane.Time);
        return (await lane.Store.FindAsync(operation.Id)).Value ?? operation;
    }

    private async ValueTask<Operation?> FindAsync(Exchange exchange, OperationId id)
    {
        var found = (await lane.Store.FindAsync(id)).Value;
        return found?.Owner == OperationOwner.Of(exchange.Caller.Client) ? found : null;
    }

    private static async ValueTask SendAsync(Exchange exchange, int status, byte[] fields, OperationView view) =>
        await exchange.Response.SendOwnAsync(exchange, status, fields, JsonSerializer.SerializeToUtf8Bytes(view, OperationJson.Default.OperationView), close: false);

    private static string? QueryValue(string query, string name)
    {
        foreach (var part in query.TrimStart('?').Split('&'))
        {
            if (part.StartsWith(name + "=", StringComparison.Ordinal))
                return Uri.UnescapeDataString(part[(name.Length + 1)..]);
        }
        return null;
    }
}
