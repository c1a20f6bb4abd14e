namespace Malha.Samples.Shop;

internal sealed record PayRequest(string OrderId, int AmountCents);

internal sealed record Payment(string Id, string OrderId, int AmountCents, DateTimeOffset At);

internal sealed record Ledger(int Count, long TotalCents, Payment[] Latest);

/// <summary>
/// Takes money, once per Idempotency-Key: the same key with the same payment answers as before, with another one it is refused.
/// </summary>
internal sealed class Payments(TimeProvider time)
{
    private const int MostCents = 50_000;
    private const int MostRemembered = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Payment> _byKey = [];
    private readonly Queue<(string? Key, Payment Payment)> _remembered = [];
    private int _count;
    private long _totalCents;

    public static void Map(WebApplication app)
    {
        var till = new Payments(app.Services.GetRequiredService<TimeProvider>());
        app.MapPost("/pay", (PayRequest request, HttpContext context) => till.Pay(request, context));
        app.MapGet("/payments", (int? limit) => till.Read(limit ?? 20));
    }

    private IResult Pay(PayRequest request, HttpContext context)
    {
        var key = context.Request.Headers["Idempotency-Key"].ToString();
        if (string.IsNullOrEmpty(request.OrderId) || request.AmountCents <= 0)
            return Results.Problem("a payment needs an orderId and an amountCents above 0", statusCode: 400);
        if (request.AmountCents > MostCents)
            return Results.Problem($"the card takes no more than {MostCents / 100} € at once", statusCode: 402);

        lock (_lock)
        {
            if (key.Length > 0 && _byKey.TryGetValue(key, out var earlier))
            {
                if (earlier.OrderId != request.OrderId || earlier.AmountCents != request.AmountCents)
                    return Results.Problem("this Idempotency-Key belongs to another payment", statusCode: 422);
                context.Response.Headers["Idempotency-Replayed"] = "true";
                return Results.Ok(earlier);
            }

            var payment = new Payment(Guid.NewGuid().ToString("N"), request.OrderId, request.AmountCents, time.GetUtcNow());
            Remember_NeedsLock(key.Length > 0 ? key : null, payment);
            return Results.Ok(payment);
        }
    }

    private void Remember_NeedsLock(string? key, Payment payment)
    {
        _count++;
        _totalCents += payment.AmountCents;
        _remembered.Enqueue((key, payment));
        if (key is not null)
            _byKey.Add(key, payment);
        if (_remembered.Count > MostRemembered && _remembered.Dequeue().Key is { } oldest)
            _byKey.Remove(oldest);
    }

    private Ledger Read(int limit)
    {
        lock (_lock)
            return new Ledger(_count, _totalCents, [.. _remembered.Reverse().Take(Math.Clamp(limit, 0, 100)).Select(entry => entry.Payment)]);
    }
}
