using System.Globalization;
using System.Text.Json;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Callbacks;

/// <summary>What a receiver gets: what happened and when, and the operation as its client sees it.</summary>
/// <param name="Type">operation.succeeded, operation.dead or operation.cancelled.</param>
/// <param name="Timestamp">When it ended.</param>
/// <param name="Data">The operation, with where its answer is.</param>
internal sealed record CallbackPayload(string Type, DateTimeOffset Timestamp, OperationView Data);

/// <summary>One message to a receiver. All attempts of it have the same name and the same bytes.</summary>
internal sealed record CallbackMessage(Uri Url, string Id, byte[] Payload)
{
    /// <summary>Null: what is stored is no URL.</summary>
    public static CallbackMessage? Of(Operation operation, Lane lane)
    {
        if (!Uri.TryCreate(operation.Callback, UriKind.Absolute, out var url))
            return null;
        var ended = operation.Finished ?? operation.Due;
        // What becomes of the callback itself would change from attempt to attempt.
        var payload = new CallbackPayload("operation." + OperationNames.Of(operation.State, isRunning: false), ended, lane.View(operation) with { Callback = null });
        // A dead letter that was replayed ends once more, which is another message.
        var id = string.Create(CultureInfo.InvariantCulture, $"op_{operation.Id}_{ended.ToUnixTimeMilliseconds()}");
        return new CallbackMessage(url, id, JsonSerializer.SerializeToUtf8Bytes(payload, OperationJson.Default.CallbackPayload));
    }

    /// <summary>What callbacks are queued by: a receiver that is slow holds up no other.</summary>
    public static string HostOf(Operation operation) => Uri.TryCreate(operation.Callback, UriKind.Absolute, out var url) ? url.Authority : "";
}
