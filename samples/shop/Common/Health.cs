using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Malha.Samples.Shop;

/// <summary>GET /health: the service itself and each service it depends on, in the JSON that ASP.NET Core's health checks are known for.</summary>
internal static class Health
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(800);

    /// <summary>Who needs whom. Without a needed one the service is unhealthy; without the others it is degraded.</summary>
    private static readonly (string Role, string Dependency, string Probe, bool Needed)[] Dependencies =
    [
        ("web", "inventory", "/items", false),
        ("web", "orders", "/orders?limit=1", false),
        ("orders", "inventory", "/items", true),
        ("orders", "payments", "/payments?limit=1", true),
        ("orders", "notify", "/notifications?limit=1", false),
    ];

    public static void Add(IServiceCollection services, string role)
    {
        var checks = services.AddHealthChecks();
        checks.Add(new HealthCheckRegistration("self", provider => new SelfCheck(provider.GetRequiredService<Switchboard>()), null, ["self"]));
        foreach (var (_, dependency, probe, needed) in Dependencies.Where(d => d.Role == role))
        {
            checks.Add(new HealthCheckRegistration(
                dependency,
                provider => new DependencyCheck(provider.GetRequiredService<Neighbours>(), dependency, probe),
                needed ? HealthStatus.Unhealthy : HealthStatus.Degraded,
                ["dependency"]));
        }
    }

    public static void Map(WebApplication app) => app.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = Write });

    private static Task Write(HttpContext context, HealthReport report) => context.Response.WriteAsJsonAsync(new
    {
        status = report.Status.ToString(),
        totalDuration = report.TotalDuration.ToString("c"),
        entries = report.Entries.ToDictionary(entry => entry.Key, entry => new
        {
            status = entry.Value.Status.ToString(),
            duration = entry.Value.Duration.ToString("c"),
            description = entry.Value.Description,
            data = entry.Value.Data,
            tags = entry.Value.Tags,
        }),
    });

    private sealed class SelfCheck(Switchboard board) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            var state = board.State;
            return Task.FromResult(state.Mode switch
            {
                "ok" => HealthCheckResult.Healthy(),
                "failing" when state.Rate >= 0.5 => HealthCheckResult.Unhealthy($"fails {state.Rate:P0} of the requests"),
                _ => HealthCheckResult.Degraded($"{state.Mode} for {state.Rate:P0} of the requests"),
            });
        }
    }

    private sealed class DependencyCheck(Neighbours neighbours, string dependency, string probe) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(Patience);
            try
            {
                var reply = await neighbours.Get<object>(dependency, probe, patience.Token);
                return reply.Value is not null ? HealthCheckResult.Healthy() : new HealthCheckResult(context.Registration.FailureStatus, reply.Problem);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                var problem = $"{dependency} does not answer within {Patience.TotalMilliseconds} ms";
                return new HealthCheckResult(context.Registration.FailureStatus, problem);
            }
        }
    }
}
