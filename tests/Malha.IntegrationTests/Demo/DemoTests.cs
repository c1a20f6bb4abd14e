using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace Malha.IntegrationTests.Demo;

/// <summary>The demo as its reader meets it: the shop through the gateway, and the lines that it prints.</summary>
public sealed class DemoTests(DemoTests.Fixture fixture) : IClassFixture<DemoTests.Fixture>
{
    private readonly RunningDemo _demo = fixture.Demo;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_order_through_the_gateway_reaches_all_that_it_needs()
    {
        using var client = new HttpClient { BaseAddress = new Uri(_demo.Gateway) };

        Assert.Contains("Wool scarf", await client.GetStringAsync(new Uri("/", UriKind.Relative), Cancellation), StringComparison.Ordinal);
        var ordered = await client.PostAsJsonAsync("/orders", new { sku = "bag", quantity = 2 }, Cancellation);
        Assert.Equal(HttpStatusCode.Created, ordered.StatusCode);
        var order = await ordered.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal("paid", order.GetProperty("status").GetString());
        Assert.Equal(2500, order.GetProperty("amountCents").GetInt32());
        Assert.True(order.GetProperty("notified").GetBoolean());

        var id = order.GetProperty("id").GetString();
        var found = await client.GetFromJsonAsync<JsonElement>($"/orders/{id}", Cancellation);
        Assert.Equal(id, found.GetProperty("id").GetString());
        Assert.Contains(id!, await client.GetStringAsync(new Uri("/payments", UriKind.Relative), Cancellation), StringComparison.Ordinal);
        Assert.Contains(id!, await client.GetStringAsync(new Uri("/notifications", UriKind.Relative), Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_sells_without_a_script()
    {
        using var client = new HttpClient { BaseAddress = new Uri(_demo.Gateway) };
        using var form = new FormUrlEncodedContent([new("sku", "hammock")]);
        var page = await client.PostAsync(new Uri("/buy", UriKind.Relative), form, Cancellation);
        Assert.Contains("is paid: 79.00 €", await page.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.StartsWith("?order=", page.RequestMessage!.RequestUri!.Query, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_payment_is_taken_once_per_key()
    {
        using var client = new HttpClient { BaseAddress = new Uri(_demo.Gateway) };

        async Task<HttpResponseMessage> Pay(int cents)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/pay") { Content = JsonContent.Create(new { orderId = "o-1", amountCents = cents }) };
            request.Headers.Add("Idempotency-Key", "k-1");
            return await client.SendAsync(request, Cancellation);
        }

        var first = await (await Pay(100)).Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        var again = await Pay(100);
        Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));
        Assert.Equal(first.GetProperty("id").GetString(), (await again.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString());
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await Pay(200)).StatusCode);
    }

    [Fact]
    public async Task Slow_payments_refuse_the_order_with_the_reason_and_leave_the_shelf_quick()
    {
        Assert.Contains("\"slow\"", await _demo.TryLineAsync("curl", 0, 0, Cancellation), StringComparison.Ordinal);
        var refused = await _demo.TryLineAsync("curl", 1, 0, Cancellation);
        Assert.Contains(" 503 ", refused, StringComparison.Ordinal);
        Assert.Contains("payments answers 504", refused, StringComparison.Ordinal);
        Assert.Contains("hammock", await _demo.TryLineAsync("curl", 2, 0, Cancellation), StringComparison.Ordinal);
        Assert.Contains("\"ok\"", await _demo.TryLineAsync("curl", 3, 0, Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broken_configuration_is_refused_and_the_gateway_goes_on()
    {
        await _demo.TryLineAsync("sed", 0, 0, Cancellation);
        await _demo.WaitForLogAsync("gateway", "2 parsecs", Cancellation);
        Assert.Contains("2 parsecs", await _demo.TryLineAsync("grep", 0, 0, Cancellation), StringComparison.Ordinal);
        Assert.Contains(" 200 ", await _demo.TryLineAsync("curl", 4, 0, Cancellation), StringComparison.Ordinal);
        await _demo.TryLineAsync("mv", 0, 0, Cancellation);
        await _demo.WaitForLogAsync("gateway", "reloaded", Cancellation);
    }

    [Fact]
    public async Task Explain_names_the_service_that_a_payment_would_go_to() =>
        Assert.Contains("payments", await _demo.TryLineAsync("./malha explain", 0, 0, Cancellation), StringComparison.Ordinal);

    /// <summary>One demo for all tests of the class; none of them leaves it other than it was.</summary>
    public sealed class Fixture : IAsyncLifetime
    {
        internal RunningDemo Demo { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Demo = await RunningDemo.StartAsync(Cancellation);
            // On a busy machine the first call to each service, compiled as it runs, can exceed the gateway's timeout for it.
            await Demo.UntilAnswersAsync(() => new HttpRequestMessage(HttpMethod.Post, "/orders") { Content = JsonContent.Create(new { sku = "net" }) }, Cancellation);
            await Demo.UntilAnswersAsync(() => new HttpRequestMessage(HttpMethod.Get, "/"), Cancellation);
        }

        public ValueTask DisposeAsync() => Demo.DisposeAsync();
    }
}
