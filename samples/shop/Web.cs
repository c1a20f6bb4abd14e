namespace Malha.Samples.Shop;

/// <summary>The shop's page. It has nothing of its own: products come from inventory, a bought thing goes to orders.</summary>
internal static class Web
{
    public static void Map(WebApplication app)
    {
        var neighbours = app.Services.GetRequiredService<Neighbours>();
        app.MapGet("/", async (string? order, CancellationToken cancellation) =>
        {
            var bought = order is null ? null : await neighbours.Get<Order>("orders", $"/orders/{Uri.EscapeDataString(order)}", cancellation);
            return await Show(neighbours, bought, cancellation);
        });
        app.MapPost("/buy", async (HttpContext context, CancellationToken cancellation) =>
        {
            var form = await context.Request.ReadFormAsync(cancellation);
            var bought = await neighbours.Post<Order>("orders", "/orders", new OrderRequest(form["sku"].ToString()), null, cancellation);
            // A page that is fetched anew can be loaded again without buying twice.
            if (bought.Value is not null)
                return Results.Redirect($"/?order={bought.Value.Id}", permanent: false);
            return await Show(neighbours, bought, cancellation);
        });
    }

    private static async Task<IResult> Show(Neighbours neighbours, Reply<Order>? bought, CancellationToken cancellation)
    {
        var items = neighbours.Get<Item[]>("inventory", "/items", cancellation);
        var orders = neighbours.Get<Order[]>("orders", "/orders?limit=8", cancellation);
        await Task.WhenAll(items, orders);
        return Results.Content(ShopPage.Render(await items, await orders, bought), "text/html; charset=utf-8");
    }
}
