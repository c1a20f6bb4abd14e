namespace Malha.Samples.Shop;

/// <summary>What the shop sells. <paramref name="PriceCents"/> is in euro cents.</summary>
internal sealed record Item(string Sku, string Name, string Blurb, int PriceCents, int Stock);

internal sealed record ReserveRequest(string OrderId, int Quantity);

internal sealed record Reservation(string OrderId, string Sku, int Quantity, int PriceCents);

/// <summary>The shelf: what is there, and what has been set aside for an order. A delivery fills it up every ten seconds.</summary>
internal sealed class Inventory(TimeProvider time)
{
    private const int FullShelf = 200;
    private const int MostReservations = 10_000;
    private static readonly TimeSpan DeliveryEvery = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Reservation> _reservations = [];
    private readonly Queue<string> _oldest = [];
    private readonly Dictionary<string, Item> _items = new Item[]
    {
        new("hammock", "Hammock", "Cotton, knotted by hand, for two", 7900, FullShelf),
        new("basket", "Willow basket", "Holds a market day", 3450, FullShelf),
        new("net", "Fishing net", "Mended twice, good for years", 12900, FullShelf),
        new("bag", "String bag", "Weighs nothing, carries melons", 1250, FullShelf),
        new("scarf", "Wool scarf", "Loose weave, for windy ports", 4200, FullShelf),
    }.ToDictionary(item => item.Sku);

    private long _lastDelivery = time.GetTimestamp();

    public static void Map(WebApplication app)
    {
        var shelf = new Inventory(app.Services.GetRequiredService<TimeProvider>());
        app.MapGet("/items", () => shelf.List());
        app.MapPost("/items/{sku}/reserve", (string sku, ReserveRequest request) => shelf.Reserve(sku, request));
        app.MapDelete("/items/{sku}/reserve/{orderId}", (string sku, string orderId) => shelf.Release(sku, orderId));
    }

    private Item[] List()
    {
        lock (_lock)
        {
            TakeDelivery_NeedsLock();
            return [.. _items.Values];
        }
    }

    /// <summary>Asked twice for the same order it answers the same and takes nothing more, so that a caller may try again.</summary>
    private IResult Reserve(string sku, ReserveRequest request)
    {
        if (string.IsNullOrEmpty(request.OrderId) || request.Quantity is < 1 or > 20)
            return Results.Problem("a reservation needs an orderId and a quantity from 1 to 20", statusCode: 400);

        lock (_lock)
        {
            TakeDelivery_NeedsLock();
            if (!_items.TryGetValue(sku, out var item))
                return Results.Problem($"there is no {sku}", statusCode: 404);
            if (_reservations.TryGetValue(request.OrderId, out var earlier))
                return Results.Ok(earlier);
            if (item.Stock < request.Quantity)
                return Results.Problem($"only {item.Stock} of {sku} are left", statusCode: 409);

            _items[sku] = item with { Stock = item.Stock - request.Quantity };
            var reservation = new Reservation(request.OrderId, sku, request.Quantity, item.PriceCents);
            _reservations.Add(request.OrderId, reservation);
            _oldest.Enqueue(request.OrderId);
            if (_oldest.Count > MostReservations)
                _reservations.Remove(_oldest.Dequeue());
            return Results.Ok(reservation);
        }
    }

    private IResult Release(string sku, string orderId)
    {
        lock (_lock)
        {
            if (!_reservations.TryGetValue(orderId, out var reservation) || reservation.Sku != sku)
                return Results.Problem("nothing is set aside for that order", statusCode: 404);

            _reservations.Remove(orderId);
            _items[sku] = _items[sku] with { Stock = Math.Min(FullShelf, _items[sku].Stock + reservation.Quantity) };
            return Results.Ok(reservation);
        }
    }

    private void TakeDelivery_NeedsLock()
    {
        if (time.GetElapsedTime(_lastDelivery) < DeliveryEvery)
            return;

        _lastDelivery = time.GetTimestamp();
        foreach (var sku in _items.Keys.ToArray())
            _items[sku] = _items[sku] with { Stock = FullShelf };
    }
}
