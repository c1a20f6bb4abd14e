using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Clients;

/// <summary>Clients in the admin API, the log, metrics and <c>malha explain</c>; their keys nowhere.</summary>
public sealed class SeeingClientsTests : IDisposable
{
    private const string Key = "correct-horse-battery-staple";
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("malha-clients-");

    public SeeingClientsTests() => File.WriteAllText(Path.Combine(_directory.FullName, "key"), Key + "\n");

    private string Sections => $$"""
        classes: { high: { share: 60% }, low: { share: 40%, lend: 50% } }
        clients:
          billing: { apiKey: "file:{{_directory.FullName}}/key", class: high, limit: { rate: 60/h, burst: 2 } }
          tenant: { header: { name: X-Tenant, value: acme }, address: [ 10.0.0.0/8 ] }
          anyone: { any: true, limit: { rate: 1000/s, per: ip } }
        routes:
          - { match: { path: /known }, auth: required, respond: {} }
          - { name: dear, match: { path: /dear }, limit: { rate: 5/s, cost: 2 }, respond: {} }
          - { match: { path: /high }, allow: [ billing ], respond: {} }
          - { match: { path: /free }, limit: off, respond: {} }
          - { respond: {} }

        """;

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task Api_log_and_metrics_tell_of_clients_and_never_of_keys()
    {
        await using var gateway = await RunningGateway.StartAsync(Sections);
        async Task<HttpStatusCode> AskAsync(string path, string? key = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{gateway.Port}{path}");
            if (key is not null)
                request.Headers.Add("X-Api-Key", key);
            using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
            return response.StatusCode;
        }
        HttpStatusCode[] statuses = [await AskAsync("/", Key), await AskAsync("/", Key), await AskAsync("/", Key), await AskAsync("/", Key + "x"), await AskAsync("/known"), await AskAsync("/high")];
        Assert.Equal([200, 200, 429, 401, 401, 401], statuses.Select(status => (int)status));
        await gateway.LogLineAsync(line => line.TryGetProperty("target", out var target) && target.GetString() == "/high");

        var clients = (await gateway.AskAsync("/api/v1/clients")).Json;
        Assert.Equal(["billing", "tenant", "anyone"], Items(clients).Select(client => client.GetProperty("name").GetString()));
        var billing = Items(clients)[0];
        Assert.Equal(("high", 3, 1, 1), (billing.GetProperty("class").GetString(), billing.GetProperty("requests").GetInt32(), billing.GetProperty("rateLimited").GetInt32(), billing.GetProperty("keys").GetInt32()));
        Assert.Equal(0, billing.GetProperty("limits")[0].GetProperty("remaining").GetInt32());
        Assert.InRange(billing.GetProperty("limits")[0].GetProperty("resetMs").GetDouble(), 100_000, 120_000);
        Assert.Equal(["header X-Tenant", "address 10.0.0.0/8"], Items(clients)[1].GetProperty("recognisedBy").EnumerateArray().Select(way => way.GetString()));
        Assert.Equal(2, Items(clients)[2].GetProperty("unauthenticated").GetInt32());
        var limits = (await gateway.AskAsync("/api/v1/limits")).Json;
        Assert.Equal(["clients.billing.limit", "clients.anyone.limit", "routes[1].limit"], Items(limits).Select(limit => limit.GetProperty("rule").GetString()));
        Assert.Equal(["client", "ip", "client"], Items(limits).Select(limit => limit.GetProperty("per").GetString()));
        Assert.Equal(JsonValueKind.Null, Items(limits)[1].GetProperty("remaining").ValueKind);

        var decisions = (await gateway.AskAsync("/api/v1/decisions")).Json;
        var limited = Items(decisions).Single(decision => decision.GetProperty("status").GetInt32() == 429);
        Assert.Equal("billing", limited.GetProperty("clientName").GetString());
        Assert.Equal("60/h are allowed, and 2 at once", limited.GetProperty("refusal").GetProperty("detail").GetString());
        var metrics = await gateway.Client.GetStringAsync(gateway.Admin + "/metrics", TestContext.Current.CancellationToken);
        Assert.Contains("malha_client_requests_total{malha_client=\"billing\",malha_class=\"high\"} 3", metrics, StringComparison.Ordinal);
        Assert.Contains("malha_client_refusals_total{malha_client=\"billing\",malha_class=\"high\",kind=\"rate-limited\"} 1", metrics, StringComparison.Ordinal);
        Assert.Contains("kind=\"invalid-credential\"} 1", metrics, StringComparison.Ordinal);
        var log = gateway.LogText();
        Assert.Contains(log, line => line.Contains("\"clientName\":\"billing\"", StringComparison.Ordinal) && line.Contains("\"rule\":\"clients.billing.limit\"", StringComparison.Ordinal));

        var config = (await gateway.AskAsync("/api/v1/config?path=clients")).Json;
        Assert.Contains("***", config.ToString(), StringComparison.Ordinal);
        foreach (var text in (string[])[clients.ToString(), limits.ToString(), decisions.ToString(), metrics, config.ToString(), .. log])
            Assert.DoesNotContain(Key, text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "/", "billing", "client    billing", "class     high, 60% guaranteed", "limit     60/h are allowed, and 2 at once  (clients.billing.limit)", "***")]
    [InlineData(0, "/dear", "tenant", "class     low, 40% guaranteed, of which 50% is lent", "limit     5/s are allowed, and 5 at once; this request counts as 2  (routes[1].limit)")]
    [InlineData(0, "/free", "anyone", "limit     none")]
    [InlineData(1, "/known", "anyone", "refused   401 The route serves known clients only: routes[0].auth")]
    [InlineData(1, "/high", "tenant", "refused   403 The client may not call this route: routes[2].allow")]
    [InlineData(2, "/", "billling", "there is no client 'billling'", "billing, tenant, anyone")]
    public async Task Explain_tells_what_a_client_meets(int code, string path, string client, params string[] expected)
    {
        var output = await ExplainAsync(code, path, client);
        Assert.All(expected, text => Assert.Contains(text, output, StringComparison.Ordinal));
        Assert.DoesNotContain(Key, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_tells_it_as_json_too()
    {
        var client = JsonDocument.Parse(await ExplainAsync(1, "/high", "tenant", "--json")).RootElement.GetProperty("client");
        Assert.Equal(("tenant", "low", 403, "routes[2].allow", 0),
            (client.GetProperty("name").GetString(), client.GetProperty("class").GetString(), client.GetProperty("status").GetInt32(), client.GetProperty("rule").GetString(), client.GetProperty("limits").GetArrayLength()));
    }

    private static JsonElement[] Items(JsonElement page) => [.. page.GetProperty("items").EnumerateArray()];

    private async Task<string> ExplainAsync(int code, string path, string client, params string[] more)
    {
        var file = Path.Combine(_directory.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, "listeners: { edge: { address: 127.0.0.1:0 } }\n" + Sections, TestContext.Current.CancellationToken);
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "malha"), ["explain", "GET", "shop.example" + path, "--client", client, "--file", file, .. more])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == code, $"{process.ExitCode}: {await output}{await error}");
        return await output + await error;
    }
}
