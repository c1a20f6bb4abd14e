using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Health;

namespace Malha.IntegrationTests.Health;

/// <summary>What stands behind a service: reported by itself, or checked by the gateway; and a cause that all endpoints have in common.</summary>
public sealed class DependencyTests
{
    private static string Down(string dependency) => CheckedOrigin.Report("Unhealthy", dependency, "Unhealthy", 503);

    [Fact]
    public async Task Entry_that_the_service_reports_as_unhealthy_is_named_to_the_refused_client()
    {
        await using var origin = new CheckedOrigin(Down("orders-db"));
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("degraded because of orders-db (GET /health: status 503, expected 2xx)");
        Assert.Equal("orders-db", gateway.Health().Cause);
    }

    [Fact]
    public async Task Dependency_that_all_endpoints_suffer_from_does_not_empty_the_service()
    {
        await using var one = new CheckedOrigin();
        await using var other = new CheckedOrigin();
        await using var gateway = HealthGateway.Start([one.Url, other.Url], $"path: /health, {HealthGateway.Quick}");
        await gateway.HealthyAsync(0);
        await gateway.HealthyAsync(1);
        one.Health = Down("orders-db");
        other.Health = Down("orders-db");
        await Eventually.HoldsAsync(() => gateway.Health() is { Course: ServiceCourse.Degraded, Cause: "orders-db", Usable: 2 }, "both are unhealthy and used");
        await gateway.UnhealthyAsync(0);
        await gateway.UnhealthyAsync(1);
        for (var request = 0; request < 20; request++)
            Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Contains(gateway.Events(), entry => entry.Name == "service-degraded" && entry.Fields.Any(field => field is { Name: "dependency", Text: "orders-db" }));
        // On the way back neither is ever taken out: the first to recover leaves the other one alone.
        one.Health = CheckedOrigin.Good;
        await gateway.HealthyAsync(0);
        other.Health = CheckedOrigin.Good;
        await gateway.HealthyAsync(1);
        await gateway.BecomesAsync(ServiceCourse.Healthy);
        Assert.DoesNotContain(gateway.Events(), entry => entry.Name == "service-unhealthy");
    }

    [Fact]
    public async Task Different_causes_are_not_a_common_one()
    {
        await using var one = new CheckedOrigin(Down("orders-db"));
        await using var other = new CheckedOrigin(Down("queue"));
        await using var gateway = HealthGateway.Start([one.Url, other.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.UnhealthyAsync(0);
        await gateway.UnhealthyAsync(1);
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync();
    }

    [Fact]
    public async Task Service_that_says_that_it_is_ill_itself_blames_nobody()
    {
        const string Ill = """{"status":"Unhealthy","entries":{"process":{"status":"Unhealthy","tags":["live"]},"orders-db":{"status":"Unhealthy"}}}""";
        await using var one = new CheckedOrigin(ScriptedOrigin.Answer(Ill, status: 503));
        await using var other = new CheckedOrigin(ScriptedOrigin.Answer(Ill, status: 503));
        await using var gateway = HealthGateway.Start([one.Url, other.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        Assert.Null(gateway.Health().Cause);
    }

    [Fact]
    public async Task Degraded_service_stays_in_use_and_the_cause_is_shown()
    {
        await using var origin = new CheckedOrigin(CheckedOrigin.Report("Degraded", "mail", "Degraded", 200));
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Degraded);
        Assert.Equal("mail", gateway.Health().Cause);
        Assert.Equal(200, (await gateway.GetAsync()).Status);
    }

    [Fact]
    public async Task Service_that_reports_itself_unhealthy_with_status_200_is_believed()
    {
        await using var origin = new CheckedOrigin(CheckedOrigin.Report("Unhealthy", "mail", "Unhealthy", 200));
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("degraded because of mail (GET /health: the service reports that it is unhealthy)");
    }

    [Theory]
    [InlineData("""{"status":"Unhealthy","results":{"cache":{"status":"Degraded"},"orders-db":{"status":"Unhealthy"}}}""")]
    [InlineData("""{"status":"DOWN","components":{"diskSpace":{"status":"UP"},"orders-db":{"status":"DOWN"}}}""")]
    public async Task Other_forms_of_the_report_are_understood(string report)
    {
        await using var origin = new CheckedOrigin(ScriptedOrigin.Answer(report, status: 503));
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        Assert.Equal("orders-db", gateway.Health().Cause);
    }

    [Fact]
    public async Task Checked_dependency_that_is_unhealthy_itself_is_what_failed_checks_are_put_down_to()
    {
        await using var database = new CheckedOrigin(CheckedOrigin.Bad);
        await using var one = new CheckedOrigin();
        await using var other = new CheckedOrigin();
        await using var gateway = HealthGateway.Start(
            [one.Url, other.Url], $"path: /health, {HealthGateway.Quick}, dependsOn: [ stock ]", $"stock: {{ endpoints: [ \"{database.Url}\" ], health: {{ path: /health, {HealthGateway.Quick} }} }}");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy, "stock");
        await gateway.HealthyAsync(0);
        await gateway.HealthyAsync(1);
        one.Health = CheckedOrigin.Bad;
        other.Health = CheckedOrigin.Bad;
        await gateway.UnhealthyAsync(0);
        await gateway.UnhealthyAsync(1);
        await Eventually.HoldsAsync(() => gateway.Health() is { Course: ServiceCourse.Degraded, Cause: "stock" }, "stock is to blame");
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        // When the dependency is well, the failures are the endpoints' own.
        database.Health = CheckedOrigin.Good;
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("GET /health: status 503, expected 2xx");
    }
}
