using System.Text.Json;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Lanes;

/// <summary>Which requests are accepted for later, what their clients are told, and that they are done when the server is back.</summary>
public sealed class DeferralTests : IDisposable
{
    private const string Clients = "clients: { one: { apiKey: env:KEY_1 }, two: { apiKey: env:KEY_2 } }";
    private const string One = "X-Api-Key: key-number-one\r\n";
    private const string Two = "X-Api-Key: key-number-two\r\n";

    private readonly LaneFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_request_whose_server_is_away_is_accepted_and_done_when_it_is_back()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server);
        var accepted = await gateway.PostAsync("/pay?order=7", "amount=12", "Content-Type: text/plain\r\nX-Shop: a\r\n");
        Assert.Equal(202, accepted.Status);
        var location = accepted.Value("Location")!;
        Assert.Equal(location, accepted.Value("Operation-Location"));
        Assert.NotNull(accepted.Value("Retry-After"));
        var told = JsonDocument.Parse(accepted.Body).RootElement;
        Assert.Contains(told.GetProperty("state").GetString(), new[] { "waiting", "running" });
        Assert.Equal("""{"level":"leader","where":"operating-system","copies":1}""", told.GetProperty("durability").GetRawText());
        Problem.Has(await gateway.AskAsync("GET", location + "/response"), 404, "no-answer");

        server.Come();
        var done = await gateway.BecomesAsync(location, "succeeded");
        Assert.Equal(200, done.GetProperty("answerStatus").GetInt32());
        var asked = Assert.Single(server.Entries);
        Assert.Equal(("POST", "/pay?order=7", "amount=12"), (asked.Request.Method, asked.Request.Target, WireText.Text(asked.Request.Body)));
        Assert.Equal(("text/plain", "a", "shop.example"), (asked.Field("Content-Type"), asked.Field("X-Shop"), asked.Field("Host")));
        var id = location[(location.LastIndexOf('/') + 1)..];
        Assert.Equal((id, id), (asked.Field("Malha-Operation"), asked.Field("Idempotency-Key")));
        Assert.Equal(accepted.Value("X-Request-Id"), asked.Field("X-Request-Id"));

        var answer = await gateway.AskAsync("GET", location + "/response");
        Assert.Equal((200, "done"), (answer.Status, WireText.Text(answer.Body)));
    }

    [Fact]
    public async Task What_was_accepted_is_delivered_after_a_restart()
    {
        await using var server = LedgerServer.Away();
        string location;
        await using (var gateway = LaneGateway.Start(_folder, server))
            location = await gateway.AcceptedAsync();
        await using var again = LaneGateway.Start(_folder, server);
        Assert.Contains((await again.OperationAsync(location)).GetProperty("state").GetString(), new[] { "waiting", "running" });
        server.Come();
        await again.BecomesAsync(location, "succeeded");
        Assert.Single(server.Entries);
    }

    [Fact]
    public async Task A_get_is_not_deferred_unless_its_client_asks()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server);
        Assert.Equal(502, (await gateway.AskAsync("GET", "/pay")).Status);
        var asked = await gateway.AskAsync("GET", "/pay", "Prefer: respond-async\r\n");
        Assert.Equal((202, "respond-async"), (asked.Status, asked.Value("Preference-Applied")));
        server.Come();
        await gateway.BecomesAsync(asked.Value("Location")!, "succeeded");
        Assert.Equal("GET", Assert.Single(server.Entries).Request.Method);
    }

    [Fact]
    public async Task What_may_have_run_is_deferred_only_if_running_twice_is_harmless()
    {
        await using var server = LedgerServer.Start();
        server.Answer = _ => Task.FromResult<string?>(null);
        await using var gateway = LaneGateway.Start(_folder, server);
        Assert.Equal(502, (await gateway.PostAsync()).Status);
        Assert.Single(server.Entries);
        var location = await gateway.AcceptedAsync(fields: "Idempotency-Key: k1\r\n");
        server.Answer = _ => Task.FromResult<string?>(ScriptedOrigin.Answer("done"));
        await gateway.BecomesAsync(location, "succeeded");
        Assert.All(server.Entries.Skip(1), entry => Assert.Equal("k1", entry.Field("Idempotency-Key")));
    }

    [Fact]
    public async Task Always_accepts_what_the_server_could_have_done_and_a_client_may_wait_for_its_answer()
    {
        await using var server = LedgerServer.Start();
        await using var gateway = LaneGateway.Start(_folder, server, "when: always");
        var location = await gateway.AcceptedAsync();
        Assert.Equal("succeeded", (await gateway.OperationAsync(location, "Prefer: wait=20\r\n")).GetProperty("state").GetString());
        var waited = await gateway.PostAsync(fields: "Prefer: respond-async, wait=20\r\n");
        Assert.Equal((200, "done", "wait"), (waited.Status, WireText.Text(waited.Body), waited.Value("Preference-Applied")));
    }

    [Fact]
    public async Task Preferred_defers_for_the_client_that_asks_and_not_for_another()
    {
        await using var server = LedgerServer.Start();
        await using var gateway = LaneGateway.Start(_folder, server, "when: preferred, acks: none");
        Assert.Equal(200, (await gateway.PostAsync()).Status);
        var location = await gateway.AcceptedAsync(fields: "Prefer: respond-async\r\n");
        await gateway.BecomesAsync(location, "succeeded");
    }

    [Fact]
    public async Task A_repeated_call_gets_the_same_operation_and_another_payload_is_refused()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server, "when: unavailable, idempotencyKey: required");
        Problem.Has(await gateway.PostAsync(), 400, "idempotency-key-missing", "routes[0].defer.idempotencyKey");
        var first = await gateway.AcceptedAsync(fields: "Idempotency-Key: k1\r\n");
        Assert.Equal(first, await gateway.AcceptedAsync(fields: "Idempotency-Key: k1\r\n"));
        Problem.Has(await gateway.PostAsync(body: "amount=2", fields: "Idempotency-Key: k1\r\n"), 422, "idempotency-key-reused", "Idempotency-Key");
        Problem.Has(await gateway.PostAsync("/other", fields: "Idempotency-Key: k1\r\n"), 422, "idempotency-key-reused", "Idempotency-Key");
        Assert.NotEqual(first, await gateway.AcceptedAsync(fields: "Idempotency-Key: k2\r\n"));
        server.Come();
        await gateway.BecomesAsync(first, "succeeded");
        Assert.Equal(first, await gateway.AcceptedAsync(fields: "Idempotency-Key: k1\r\n"));
    }

    [Fact]
    public async Task A_call_is_refused_while_another_with_its_key_is_carried_out()
    {
        var go = new TaskCompletionSource();
        await using var server = LedgerServer.Start();
        server.Answer = async _ =>
        {
            await go.Task;
            return ScriptedOrigin.Answer("done");
        };
        await using var gateway = LaneGateway.Start(_folder, server);
        var first = gateway.PostAsync(fields: "Idempotency-Key: k1\r\n");
        await Eventually.HoldsAsync(() => server.Entries.Count == 1, "the first call is at the server");
        Problem.Has(await gateway.PostAsync(fields: "Idempotency-Key: k1\r\n"), 409, "idempotency-key-in-use", "Idempotency-Key");
        go.SetResult();
        Assert.Equal(200, (await first).Status);
        Assert.Equal(200, (await gateway.PostAsync(fields: "Idempotency-Key: k2\r\n")).Status);
    }

    [Fact]
    public async Task An_operation_is_its_clients_alone()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server, top: Clients);
        var location = await gateway.AcceptedAsync(fields: One);
        Assert.Equal("one", (await gateway.OperationAsync(location, One)).GetProperty("client").GetString());
        Problem.Has(await gateway.AskAsync("GET", location, Two), 404, "no-operation");
        Problem.Has(await gateway.AskAsync("GET", location), 404, "no-operation");
        Problem.Has(await gateway.AskAsync("DELETE", location, Two), 404, "no-operation");
        Problem.Has(await gateway.AskAsync("GET", location + "/response", Two), 404, "no-operation");
        Assert.Single((await gateway.OperationAsync("/.malha/operations", One)).GetProperty("items").EnumerateArray());
        Assert.Empty((await gateway.OperationAsync("/.malha/operations", Two)).GetProperty("items").EnumerateArray());
        Problem.Has(await gateway.AskAsync("GET", "/.malha/operations"), 401, "unauthenticated");
    }

    [Fact]
    public async Task A_client_takes_back_what_has_not_started_and_it_is_never_delivered()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server);
        var taken = await gateway.AcceptedAsync("/first");
        var kept = await gateway.AcceptedAsync("/second");
        await Eventually.HoldsAsync(() => !gateway.Lane.Dispatcher.IsUnderWay(LaneGateway.IdOf(taken)), "nobody tries it just now");
        var cancelled = await gateway.AskAsync("DELETE", taken);
        // It may be that it is tried in this very moment.
        while (cancelled.Status == 409)
            cancelled = await gateway.AskAsync("DELETE", taken);
        Assert.Equal(200, cancelled.Status);
        Assert.Equal("cancelled", (await gateway.OperationAsync(taken)).GetProperty("state").GetString());
        server.Come();
        await gateway.BecomesAsync(kept, "succeeded");
        Assert.Equal("/second", Assert.Single(server.Entries).Request.Target);
        Problem.Has(await gateway.AskAsync("DELETE", kept), 409, "operation-started");
    }

    [Theory]
    [InlineData(10)]
    [InlineData(70_000)]
    [InlineData(300_000)]
    public async Task Bodies_of_any_size_up_to_the_limit_are_kept_as_they_came(int length)
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server, delivery: "maxBody: 300000B");
        var body = string.Create(length, 0, static (span, _) =>
        {
            for (var index = 0; index < span.Length; index++)
                span[index] = (char)('a' + (index * 7 % 26));
        });
        var location = await gateway.AcceptedAsync(body: body);
        server.Come();
        await gateway.BecomesAsync(location, "succeeded");
        Assert.Equal(body, WireText.Text(Assert.Single(server.Entries).Request.Body));
    }

    [Fact]
    public async Task A_larger_body_is_passed_on_and_refused_where_others_are_accepted()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server, delivery: "maxBody: 1000B");
        Problem.Has(await gateway.PostAsync(body: new string('a', 1001)), 503, "not-kept", "delivery.maxBody", 1000, "bytes", "destination_unavailable");
        server.Come();
        Assert.Equal(200, (await gateway.PostAsync(body: new string('a', 1001))).Status);
    }

    [Fact]
    public async Task A_client_that_waits_with_its_body_is_told_to_send_it()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server);
        await using var client = await gateway.Gateway.ConnectAsync();
        await client.SendAsync("POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 100", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await client.SendAsync("12345");
        var accepted = await client.ReadAnswerAsync("POST");
        Assert.Equal(202, accepted.Status);
        server.Come();
        await gateway.BecomesAsync(accepted.Value("Location")!, "succeeded");
        Assert.Equal("12345", WireText.Text(Assert.Single(server.Entries).Request.Body));
    }
}
