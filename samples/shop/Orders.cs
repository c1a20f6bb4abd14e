using System.Net;

namespace Malha.Samples.Shop;

internal sealed record OrderRequest(string Sku, int Quantity = 1);

/// <summary>An order and how it went: <c>paid</c>, <c>refused</c> (no stock, no money) or <c>failed</c> (a service could not be asked).</summary>
internal sealed record Order(string Id, string Sku, int Quantity, int AmountCents, string Status, string? Reason, bool Notified, DateTimeOffset At);

/// <summary>
/// The service that needs all the others: it sets the goods aside, takes the money, tells the customer. What was set aside for an order that
/// is not paid goes back to the shelf; a customer who could not be told has bought all the same.
/// </summary>
internal sealed class Orders(Neighbours neighbours, TimeProvider time)
{
    private const int MostRemembered = 1000;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Order> _byId = [];
    private readonly Queue<string> _oldest = [];

    public static void Map(WebApplication app)
    {
        var book = new Orders(app.Services.GetRequiredService<Neighbours>(), app.Services.GetRequiredService<TimeProvider>());
        app.MapPost("/orders", (OrderRequest request) => book.Create(request));
        app.MapGet("/orders", (int? limit) => book.List(limit ?? 20));
        app.MapGet("/orders/{id}", (string id) => book.Find(id));
    }

    /// <summary>An order that has begun is carried through, whether or not its customer still waits: half an order would be worse.</summary>
    private async Task<IResult> Create(OrderRequest request)
    {
        var cancellation = CancellationToken.None;
        if (string.IsNullOrEmpty(request.Sku) || request.Quantity is < 1 or > 20)
            return Results.Problem("an order needs a sku and a quantity from 1 to 20", statusCode: 400);

        var id = Guid.NewGuid().ToString("N")[..12];
        var order = new Order(id, request.Sku, request.Quantity, 0, "open", null, false, time.GetUtcNow());
        var shelf = $"/items/{Uri.EscapeDataString(request.Sku)}/reserve";

        var reserved = await neighbours.Post<Reservation>("inventory", shelf, new ReserveRequest(id, request.Quantity), id, cancellation);
        if (reserved.Value is null)
            return End(order, reserved.IsOutage, reserved.Problem, reserved.Status ?? HttpStatusCode.ServiceUnavailable);

        order = order with { AmountCents = reserved.Value.PriceCents * request.Quantity };
        var paid = await neighbours.Post<Payment>("payments", "/pay", new PayRequest(id, order.AmountCents), id, cancellation);
        if (paid.Value is null)
        {
            await neighbours.Delete<Reservation>("inventory", $"{shelf}/{id}", cancellation);
            return End(order, paid.IsOutage, paid.Problem, paid.Status ?? HttpStatusCode.ServiceUnavailable);
        }

        var text = $"Your order {id} ({request.Quantity} × {request.Sku}) is on its way.";
        var told = await neighbours.Post<Notification>("notify", "/notify", new NotifyRequest(id, text), id, cancellation);
        order = order with { Status = "paid", Notified = told.Value is not null };
        Remember(order);
        return Results.Created($"/orders/{id}", order);
    }

    private IResult End(Order order, bool outage, string? reason, HttpStatusCode status)
    {
        Remember(order with { Status = outage ? "failed" : "refused", Reason = reason });
        var ours = outage ? HttpStatusCode.ServiceUnavailable : status;
        return Results.Problem(reason, $"/orders/{order.Id}", (int)ours, outage ? "The order could not be completed" : "The order was refused");
    }

    private void Remember(Order order)
    {
        lock (_lock)
        {
            _byId.Add(order.Id, order);
            _oldest.Enqueue(order.Id);
            if (_oldest.Count > MostRemembered)
                _byId.Remove(_oldest.Dequeue());
        }
    }

    private Order[] List(int limit)
    {
        lock (_lock)
            return [.. _oldest.Reverse().Take(Math.Clamp(limit, 0, 100)).Select(id => _byId[id])];
    }

    private IResult Find(string id)
    {
        lock (_lock)
            return _byId.TryGetValue(id, out var order) ? Results.Ok(order) : Results.Problem($"there is no order {id}", statusCode: 404);
    }
}
