using Malha.Delivery;
using Malha.Delivery.Dispatch;

namespace Malha.ControlPlane.Api.Views;

/// <summary>The operations of one service that wait, and how they are doing.</summary>
/// <param name="Name">The service.</param>
/// <param name="Depth">Operations that wait or are under way.</param>
/// <param name="UnderWay">Deliveries under way.</param>
/// <param name="OldestAgeMs">How long the first of them has been there; null when none is.</param>
/// <param name="DeliveredPerSecond">Operations that succeeded, over the last ten seconds.</param>
/// <param name="Hold">Why none is tried now; null: they are, or none is due.</param>
/// <param name="HeldForMs">For how long at most, before one looks again.</param>
/// <param name="Accepted">Operations accepted since the start.</param>
/// <param name="Succeeded">Operations that the server answered.</param>
/// <param name="Dead">Operations that became dead letters.</param>
/// <param name="Attempts">Attempts that reached the server.</param>
/// <param name="Unreached">Attempts that no endpoint took.</param>
public sealed record LaneView(
    string Name, int Depth, int UnderWay, double? OldestAgeMs, double DeliveredPerSecond, string? Hold, double? HeldForMs, long Accepted, long Succeeded, long Dead, long Attempts,
    long Unreached)
{
    internal static async Task<LaneView> OfAsync(Lane lane, LaneDispatcher one)
    {
        var now = lane.Time.GetUtcNow();
        var oldest = lane.Store.Lane(one.Name, 0, 1).Value is [var first] ? (await lane.Store.FindAsync(first.Id)).Value?.Created : null;
        var counters = one.Counters;
        return new LaneView(
            one.Name, lane.Store.Depth(one.Name), one.UnderWay, oldest is { } since ? Math.Max(0, (now - since).TotalMilliseconds) : null, counters.Rate(now), one.Hold,
            one.HeldUntil is { } until ? Math.Max(0, (until - now).TotalMilliseconds) : null, counters.Accepted, counters.Succeeded, counters.Dead, counters.Attempts, counters.Unreached);
    }
}

/// <summary>The server's answer to an operation.</summary>
/// <param name="Status">The status code.</param>
/// <param name="Headers">Its fields.</param>
/// <param name="Body">Its body as text, if it is text; else in base64, see the next.</param>
/// <param name="IsBase64">Whether it is.</param>
/// <param name="IsTooLarge">Whether the body was larger than what is kept, and is not there.</param>
public sealed record AnswerView(int Status, IReadOnlyList<FieldView> Headers, string Body, bool IsBase64, bool IsTooLarge);

/// <summary>A header field.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value.</param>
public sealed record FieldView(string Name, string Value);

/// <summary>Which dead letters an order is about: those named, or all that fit the rest; at least one of them is given.</summary>
/// <param name="Ids">Their names.</param>
/// <param name="Service">Only those of a service.</param>
/// <param name="Cause">Only those of a cause.</param>
/// <param name="All">Really all.</param>
public sealed record DeadLetterOrder(IReadOnlyList<string>? Ids = null, string? Service = null, string? Cause = null, bool All = false);

/// <summary>What became of an order.</summary>
/// <param name="Changed">How many were replayed, or dropped.</param>
/// <param name="Failed">Those that could not be.</param>
public sealed record DeadLetterResult(int Changed, IReadOnlyList<string> Failed);
