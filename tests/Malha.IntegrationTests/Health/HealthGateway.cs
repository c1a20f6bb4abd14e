using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Health;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.IntegrationTests.Health;

/// <summary>A gateway before services that are checked, and questions about what it makes of the checks.</summary>
internal static class HealthGateway
{
    /// <summary>Quick checks, for tests that wait for them in real time.</summary>
    public const string Quick = "every: 20ms, timeout: 20s, rise: 2, fall: 2, slowStart: off";

    public static TestGateway Start(IEnumerable<string> endpoints, string health, string more = "") => TestGateway.Start(File(endpoints, health, more));

    public static string File(IEnumerable<string> endpoints, string health, string more = "") => $$"""
        listeners:
          edge: { address: "127.0.0.1:0" }
        services:
          shop: { endpoints: [ {{string.Join(", ", endpoints.Select(endpoint => $"\"{endpoint}\""))}} ], health: { {{health}} } }
          {{more}}
        routes:
          - { service: shop }
        """;

    public static EndpointHealth Endpoint(this TestGateway gateway, int index = 0, string service = "shop") => gateway.Service(service).Endpoints[index].Health;

    public static HealthSnapshot Health(this TestGateway gateway, string service = "shop") => gateway.Service(service).State.Health!.Snapshot;

    public static Task BecomesAsync(this TestGateway gateway, ServiceCourse course, string service = "shop") =>
        Eventually.HoldsAsync(() => gateway.Health(service).Course == course, $"{service} becomes {course}");

    public static Task HealthyAsync(this TestGateway gateway, int index = 0, string service = "shop") =>
        Eventually.HoldsAsync(() => gateway.Endpoint(index, service).State?.Health == Resilience.Health.Healthy, $"endpoint {index} of {service} becomes healthy");

    public static Task UnhealthyAsync(this TestGateway gateway, int index = 0, string service = "shop") =>
        Eventually.HoldsAsync(() => gateway.Endpoint(index, service).State?.Health == Resilience.Health.Unhealthy, $"endpoint {index} of {service} becomes unhealthy");

    public static IReadOnlyList<OperationalEvent> Events(this TestGateway gateway)
    {
        static void Ignore(OperationalEvent entry)
        {
            // Only what is kept is asked for.
        }

        var events = gateway.Host.Telemetry.Events.Follow(Ignore);
        gateway.Host.Telemetry.Events.Unfollow(Ignore);
        return events;
    }

    public static async Task<WireAnswer> RefusedAsync(this TestGateway gateway, string? detail = null)
    {
        var answer = await gateway.GetAsync();
        var problem = Problem.Has(answer, 503, "unhealthy", "services.shop.health", proxyError: "destination_unavailable");
        if (detail is not null)
            Assert.Equal(detail, problem.GetProperty("detail").GetString());
        return answer;
    }
}
