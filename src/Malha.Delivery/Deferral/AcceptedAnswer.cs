using System.Globalization;
using System.Text;
using System.Text.Json;
using Malha.Delivery.Operations;
using Malha.Proxy;

namespace Malha.Delivery.Deferral;

/// <summary>What a client gets for an operation: 202 with its document; or, if it waits and the operation ends meanwhile, the server's own answer.</summary>
internal sealed class AcceptedAnswer(Lane lane)
{
    /// <summary>When to look again, if nothing better is known.</summary>
    private const long RetryAfterMs = 1000;

    /// <param name="exchange">Whom to answer.</param>
    /// <param name="preference">What the client prefers.</param>
    /// <param name="id">The operation.</param>
    /// <param name="accepted">As it was accepted just now; null: it has been there before, or nobody knows.</param>
    /// <param name="why">Why it is not done now.</param>
    public async ValueTask<Refusal> SendAsync(Exchange exchange, Preference preference, OperationId id, Operation? accepted, Refusal why)
    {
        exchange.Operation = Encoding.ASCII.GetBytes(id.ToString());
        if (preference is { Wait: { } wait } && wait > TimeSpan.Zero)
        {
            await lane.Ends.WaitAsync(id, async () => await FindAsync(id) is { State: not OperationState.Waiting }, wait, lane.Time);
            if (await FindAsync(id) is { State: OperationState.Succeeded } && lane.Store.Answer(id).Value is { IsTooLarge: false } answer)
            {
                await StoredAnswer.SendAsync(exchange, answer, "Preference-Applied: wait\r\n");
                return Refusal.None;
            }
        }
        // At none it may not be written yet.
        var operation = await FindAsync(id) ?? accepted;
        if (operation is null)
            return new Refusal(RefusalKind.NotKept, Detail: "the operation cannot be read", RetryAfterMs: RetryAfterMs);
        var document = JsonSerializer.SerializeToUtf8Bytes(lane.View(operation), OperationJson.Default.OperationView);
        await exchange.Response.SendOwnAsync(exchange, 202, Fields(id, preference, why), document, close: !exchange.Body.IsComplete);
        return Refusal.None;
    }

    private async ValueTask<Operation?> FindAsync(OperationId id)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5), lane.Time);
        return (await lane.Store.FindAsync(id, patience.Token)).Value;
    }

    private static byte[] Fields(OperationId id, Preference preference, in Refusal why)
    {
        var path = OperationPath.Of(id);
        var seconds = (Math.Max(RetryAfterMs, why.RetryAfterMs) + 999) / 1000;
        var applied = preference.RespondAsync ? "Preference-Applied: respond-async\r\n" : "";
        return Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"Content-Type: application/json\r\nLocation: {path}\r\nOperation-Location: {path}\r\nRetry-After: {seconds}\r\n{applied}"));
    }
}

/// <summary>The answer of a server as it was kept, given to whoever may have it.</summary>
internal static class StoredAnswer
{
    /// <param name="exchange">Whom to answer.</param>
    /// <param name="answer">What the server said.</param>
    /// <param name="further">Complete field lines.</param>
    public static ValueTask<bool> SendAsync(Exchange exchange, Answer answer, string further)
    {
        var fields = new StringBuilder(further);
        // Written anew with every answer.
        foreach (var header in answer.Headers.Where(header => !header.Name.Equals("Date", StringComparison.OrdinalIgnoreCase)))
            fields.Append(header.Name).Append(": ").Append(header.Value).Append("\r\n");
        return exchange.Response.SendOwnAsync(exchange, answer.Status, Encoding.Latin1.GetBytes(fields.ToString()), answer.Body.Span, close: false);
    }
}
