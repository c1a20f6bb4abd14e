using System.Text.Json;
using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Operations;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Health;

/// <summary>What the admin API, the metrics and <c>malha explain</c> tell of health.</summary>
public sealed class HealthApiTests
{
    [Fact]
    public async Task Services_and_endpoints_say_how_they_are_and_why()
    {
        await using var good = new CheckedOrigin();
        await using var bad = new CheckedOrigin(CheckedOrigin.Report("Unhealthy", "orders-db", "Unhealthy", 503));
        await using var lone = new CheckedOrigin(CheckedOrigin.Bad);
        await using var gateway = await RunningGateway.StartAsync($$"""
            services:
              pair: { endpoints: [ "{{good.Url}}", "{{bad.Url}}" ], health: { path: /health, every: 1h, timeout: 20s } }
              lone: { endpoints: [ "{{lone.Url}}" ], health: { path: /health, every: 1h, timeout: 20s } }
              plain: { endpoints: [ "{{good.Url}}" ] }
            """);
        await UntilAsync(gateway, "pair", endpoints => endpoints.All(one => one.GetProperty("health").GetProperty("lastCheck").ValueKind != JsonValueKind.Null));
        await UntilAsync(gateway, "lone", endpoints => endpoints[0].GetProperty("health").GetProperty("state").GetString() == "unhealthy");

        var endpoints = (await gateway.AskAsync("/api/v1/services/pair/endpoints")).Json.GetProperty("items");
        var (first, second) = (endpoints[0].GetProperty("health"), endpoints[1].GetProperty("health"));
        Assert.Equal(("healthy", true, 1.0), (first.GetProperty("state").GetString(), first.GetProperty("usable").GetBoolean(), first.GetProperty("share").GetDouble()));
        Assert.Equal("passed", first.GetProperty("lastCheck").GetProperty("result").GetString());
        Assert.True(first.GetProperty("lastCheck").GetProperty("tookMs").GetDouble() > 0);
        Assert.InRange(first.GetProperty("nextCheckInMs").GetDouble(), 3_100_000, 3_960_000);
        Assert.Equal(("unhealthy", false, 0.0), (second.GetProperty("state").GetString(), second.GetProperty("usable").GetBoolean(), second.GetProperty("share").GetDouble()));
        Assert.Equal("GET /health: status 503, expected 2xx", second.GetProperty("lastCheck").GetProperty("failure").GetString());
        Assert.Equal("orders-db", second.GetProperty("lastCheck").GetProperty("dependencies")[0].GetString());
        Assert.Equal(JsonValueKind.Null, second.GetProperty("ejectedForMs").ValueKind);

        var services = (await gateway.AskAsync("/api/v1/services")).Json.GetProperty("items").EnumerateArray().ToDictionary(one => one.GetProperty("name").GetString()!, one => one.GetProperty("health"));
        Assert.Equal(("degraded", "orders-db", 1), (services["pair"].GetProperty("state").GetString(), services["pair"].GetProperty("degradedBecauseOf").GetString(), services["pair"].GetProperty("usable").GetInt32()));
        Assert.Equal(("unhealthy", "GET /health: status 503, expected 2xx"), (services["lone"].GetProperty("state").GetString(), services["lone"].GetProperty("detail").GetString()));
        Assert.Equal(JsonValueKind.Null, services["plain"].ValueKind);

        var metrics = await gateway.Client.GetStringAsync(gateway.Admin + "/metrics", TestContext.Current.CancellationToken);
        string At(string service, CheckedOrigin origin) => $"malha_service=\"{service}\",server_address=\"127.0.0.1\",server_port=\"{origin.Port}\"";
        Assert.Contains($"malha_endpoint_healthy{{{At("pair", good)}}} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"malha_endpoint_healthy{{{At("pair", bad)}}} 0\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"malha_endpoint_share{{{At("pair", bad)}}} 0\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"malha_health_checks_total{{{At("lone", lone)},result=\"failed\"}} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"malha_endpoint_ejections_total{{{At("pair", bad)}}} 0\n", metrics, StringComparison.Ordinal);
        Assert.Contains("malha_service_unhealthy{malha_service=\"lone\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("malha_service_degraded{malha_service=\"pair\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("malha_service_panic{malha_service=\"pair\"} 0\n", metrics, StringComparison.Ordinal);
        Assert.DoesNotContain("malha_service_panic{malha_service=\"plain\"}", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Top_shows_how_services_are()
    {
        await using var good = new CheckedOrigin();
        await using var bad = new CheckedOrigin(CheckedOrigin.Report("Unhealthy", "orders-db", "Unhealthy", 503));
        await using var lone = new CheckedOrigin(CheckedOrigin.Bad);
        await using var gateway = await RunningGateway.StartAsync($$"""
            services:
              lone: { endpoints: [ "{{lone.Url}}" ], health: { path: /health, every: 1h, timeout: 20s } }
              pair: { endpoints: [ "{{good.Url}}", "{{bad.Url}}" ], health: { path: /health, every: 1h, timeout: 20s } }
              plain: { endpoints: [ "{{good.Url}}" ] }
            """);
        await UntilAsync(gateway, "pair", endpoints => endpoints.All(one => one.GetProperty("health").GetProperty("lastCheck").ValueKind != JsonValueKind.Null));
        await UntilAsync(gateway, "lone", endpoints => endpoints[0].GetProperty("health").GetProperty("state").GetString() == "unhealthy");
        var told = await OperatorCommand.RunAsync(gateway, "top");
        var lines = told.Output.Split('\n');
        Assert.EndsWith("  unhealthy", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("  degraded by orders-db, 1 used", lines[2], StringComparison.Ordinal);
        Assert.EndsWith(" 0", lines[3], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_shows_the_policy_that_a_request_would_meet()
    {
        var folder = Directory.CreateTempSubdirectory("malha-explain-");
        var file = Path.Combine(folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, """
            listeners: { edge: { address: 127.0.0.1:0 } }
            services: { shop: { endpoints: [ http://127.0.0.1:1 ], health: { path: /health, every: 2s, slowStart: off } } }
            routes: [ { service: shop } ]
            """, TestContext.Current.CancellationToken);
        await using var malha = ChildProcess.Start(Path.Combine(AppContext.BaseDirectory, "malha"), ["explain", "GET", "http://a/", "--file", file], new Dictionary<string, string>(), _ => false);
        Assert.Equal(0, await malha.ExitedAsync(TimeSpan.FromSeconds(60)));
        await Eventually.HoldsAsync(() => malha.Output.Contains("services.shop.health.ejection", StringComparison.Ordinal), "everything is printed");
        Assert.Contains("  health    GET /health every 2s (timeout 1s), unhealthy after 3 failures, healthy after 2 successes\n", malha.Output, StringComparison.Ordinal);
        // Values that are longer than most stand in their column too.
        var origins = malha.Output.Split('\n').Where(line => line.StartsWith("  services.shop.", StringComparison.Ordinal)).Select(line => line.LastIndexOf("  ", StringComparison.Ordinal)).Distinct();
        Assert.Single(origins);
        Assert.Matches("services.shop.health.rise +2 +default \\(HAProxy's rise\\)", malha.Output);
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("cache: { endpoints: [ redis://127.0.0.1:1 ], health: {} }", 1)]
    public async Task Client_libraries_are_loaded_by_the_checks_that_need_them_only(string service, int libraries)
    {
        await using var origin = new CheckedOrigin();
        var folder = Directory.CreateTempSubdirectory("malha-libraries-");
        var file = Path.Combine(folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, HealthGateway.File([origin.Url], HealthGateway.Quick + ", path: /health", service), TestContext.Current.CancellationToken);
        await using var malha = await MalhaProcess.StartAsync(["run", file], 1);
        await origin.CheckedAsync(3);
        int Loaded()
        {
            var maps = File.ReadAllText($"/proc/{malha.ProcessId}/maps");
            return ((string[])["Npgsql.dll", "StackExchange.Redis.dll", "Grpc.Net.Client.dll", "Grpc.HealthCheck.dll"]).Count(library => maps.Contains(library, StringComparison.Ordinal));
        }

        await Eventually.HoldsAsync(() => Loaded() == libraries, $"{libraries} of the libraries are loaded");
        await origin.CheckedAsync(3);
        Assert.Equal(libraries, Loaded());
        folder.Delete(recursive: true);
    }

    private static async Task UntilAsync(RunningGateway gateway, string service, Func<JsonElement[], bool> condition)
    {
        var started = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!condition([.. (await gateway.AskAsync($"/api/v1/services/{service}/endpoints")).Json.GetProperty("items").EnumerateArray()]))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Peer.Patience, $"{service} does not become what it should");
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }
}
