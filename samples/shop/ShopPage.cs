using System.Globalization;
using System.Net;

namespace Malha.Samples.Shop;

/// <summary>The page as HTML. What a service could not say is said on the page, and the rest of it stays.</summary>
internal static class ShopPage
{
    public static string Render(Reply<Item[]> items, Reply<Order[]> orders, Reply<Order>? bought) => $"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Net &amp; Knot</title>
        <link rel="icon" href="data:,">
        <style>{Style}</style>
        </head>
        <body>
        <header><h1>Net &amp; Knot</h1><p>Woven and knotted things</p></header>
        <main>
        {Banner(bought)}
        <section class="shelf" aria-label="Products">{Shelf(items)}</section>
        <section class="book"><h2>Latest orders</h2>{Book(orders)}</section>
        </main>
        </body>
        </html>
        """;

    private static string Banner(Reply<Order>? bought) => bought switch
    {
        null => "",
        { Value: { Status: "paid" } order } =>
            $"<p class=\"banner good\">Thank you. Order <code>{Text(order.Id)}</code> is paid: {Euro(order.AmountCents)}.{(order.Notified ? "" : " We could not send you a message; the order stands.")}</p>",
        { Value: { } order } => $"<p class=\"banner bad\">Order <code>{Text(order.Id)}</code> was not completed. {Text(order.Reason)}</p>",
        _ => $"<p class=\"banner bad\">Nothing was bought. {Text(bought.Problem)}</p>",
    };

    private static string Shelf(Reply<Item[]> items) =>
        items.Value is not { } list
            ? $"<p class=\"banner bad\">We cannot see our shelf just now. {Text(items.Problem)}</p>"
            : string.Concat(list.Select((item, number) => $"""

                <article style="--hue:{(number * 67 + 18) % 360}">
                <div class="weave" aria-hidden="true"></div>
                <h3>{Text(item.Name)}</h3>
                <p>{Text(item.Blurb)}</p>
                <form method="post" action="/buy">
                <div><b>{Euro(item.PriceCents)}</b><small>{item.Stock} left</small></div>
                <button name="sku" value="{Text(item.Sku)}"{(item.Stock > 0 ? "" : " disabled")}>Buy</button>
                </form>
                </article>
                """));

    private static string Book(Reply<Order[]> orders) => orders.Value switch
    {
        null => $"<p class=\"banner bad\">We cannot read our order book just now. {Text(orders.Problem)}</p>",
        [] => "<p>None yet: be the first.</p>",
        var list => $"""
            <table><thead><tr><th>Order</th><th>What</th><th class="number">Amount</th><th>State</th></tr></thead><tbody>
            {string.Concat(list.Select(Row))}
            </tbody></table>
            """,
    };

    private static string Row(Order order) =>
        $"<tr><td><code>{Text(order.Id)}</code></td><td>{order.Quantity} × {Text(order.Sku)}</td><td class=\"number\">{Euro(order.AmountCents)}</td>"
        + $"<td><span class=\"state {Text(order.Status)}\" title=\"{Text(order.Reason)}\">{Text(order.Status)}</span></td></tr>\n";

    private static string Euro(int cents) => (cents / 100m).ToString("0.00", CultureInfo.InvariantCulture) + " €";

    private static string Text(string? text) => WebUtility.HtmlEncode(text ?? "");

    private const string Style = """

        :root { --ink: #22302f; --paper: #f7f3ea; --card: #fffdf8; --line: #e2d9c6; --accent: #1f6f68; color-scheme: light; }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        header { padding: 2.2rem max(1.5rem, calc((100vw - 65rem) / 2)) 1.6rem; color: #f4efe2;
          background: repeating-linear-gradient(45deg, #0002 0 2px, transparent 2px 18px), repeating-linear-gradient(-45deg, #0002 0 2px, transparent 2px 18px), var(--accent); }
        h1 { margin: 0; font: 600 2.4rem/1.1 Georgia, serif; letter-spacing: .01em; }
        header p { margin: .3rem 0 0; opacity: .85; }
        main { max-width: 68rem; margin: 0 auto; padding: 1.5rem; }
        .shelf { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1.1rem; }
        article { background: var(--card); border: 1px solid var(--line); border-radius: .8rem; overflow: hidden; display: flex; flex-direction: column; }
        .weave { height: 7rem; background:
          repeating-linear-gradient(90deg, hsl(var(--hue) 35% 42% / .55) 0 9px, transparent 9px 18px),
          repeating-linear-gradient(0deg, hsl(var(--hue) 40% 62%) 0 9px, hsl(var(--hue) 38% 72%) 9px 18px); }
        h3 { margin: .8rem 1rem 0; font: 600 1.15rem Georgia, serif; }
        article p { margin: .2rem 1rem .8rem; color: #5d6a66; flex: 1; }
        form { display: flex; align-items: center; justify-content: space-between; padding: .6rem 1rem .8rem; border-top: 1px solid var(--line); }
        b { font-weight: 600; }
        small { display: block; color: #7b8783; line-height: 1.2; }
        button { font: inherit; font-weight: 600; color: #fff; background: var(--accent); border: 0; border-radius: .5rem; padding: .35rem .9rem; cursor: pointer; }
        button:hover, button:focus-visible { background: #17544f; }
        button:disabled { background: #b8c2bf; cursor: default; }
        .book { margin-top: 2rem; }
        h2 { font: 600 1.4rem Georgia, serif; margin: 0 0 .6rem; }
        table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: .8rem; overflow: hidden; }
        th, td { text-align: left; padding: .5rem .9rem; border-bottom: 1px solid var(--line); }
        tr:last-child td { border-bottom: 0; }
        th { font-size: .82rem; color: #5d6a66; font-weight: 600; }
        .number { text-align: right; font-variant-numeric: tabular-nums; }
        .state { padding: .1rem .6rem; border-radius: 1rem; font-size: .85rem; background: #f6d9d2; color: #8a2c18; }
        .state.paid { background: #d5ece3; color: #14564a; }
        .banner { border-radius: .6rem; padding: .7rem 1rem; margin: 0 0 1.2rem; grid-column: 1 / -1; }
        .good { background: #d5ece3; color: #14564a; }
        .bad { background: #f6d9d2; color: #8a2c18; }
        """;
}
