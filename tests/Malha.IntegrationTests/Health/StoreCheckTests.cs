using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Health;

namespace Malha.IntegrationTests.Health;

/// <summary>PostgreSQL and Redis as services that are only checked, with real servers.</summary>
public sealed class StoreCheckTests
{
    private const string Password = "correct/horse#battery";

    [Fact]
    public async Task Postgres_that_takes_logins_and_queries_is_healthy_and_one_that_is_gone_is_not()
    {
        await using var server = await RealStore.StartPostgresAsync(Password);
        Assert.SkipWhen(server is null, "postgresql is missing: apt-get install postgresql");
        await using var gateway = Start($"postgres://malha:{Uri.EscapeDataString(Password)}@127.0.0.1:{server!.Port}/postgres", HealthGateway.Quick);
        await gateway.HealthyAsync(service: "store");
        await Eventually.HoldsAsync(() => gateway.Endpoint(service: "store").Checks(ProbeVerdict.Passed) >= 3, "checks go on");
        await server.StopAsync();
        await gateway.BecomesAsync(ServiceCourse.Unhealthy, "store");
        Assert.Equal("postgres: the connection was refused", gateway.Health("store").Detail);
    }

    [Fact]
    public async Task Postgres_tells_what_is_wrong_with_login_and_query_but_never_the_password()
    {
        await using var server = await RealStore.StartPostgresAsync(Password);
        Assert.SkipWhen(server is null, "postgresql is missing: apt-get install postgresql");
        await using var stranger = Start($"postgres://malha:another-secret@127.0.0.1:{server!.Port}/postgres", "every: 1h, timeout: 20s");
        await stranger.BecomesAsync(ServiceCourse.Unhealthy, "store");
        Assert.Equal("postgres: password authentication failed for user \"malha\" (28P01)", stranger.Health("store").Detail);

        var url = $"postgres://malha:{Uri.EscapeDataString(Password)}@127.0.0.1:{server.Port}/postgres";
        await using var replica = Start(url, "every: 1h, timeout: 20s, query: select pg_is_in_recovery()");
        await replica.BecomesAsync(ServiceCourse.Unhealthy, "store");
        Assert.Equal("postgres: the query returned false", replica.Health("store").Detail);

        await using var slow = Start(url, "every: 1h, timeout: 300ms, query: select pg_sleep(2)");
        await slow.BecomesAsync(ServiceCourse.Unhealthy, "store");
        Assert.Equal("postgres: no answer within 300 ms", slow.Health("store").Detail);
        Assert.All(stranger.Events().Concat(slow.Events()).SelectMany(entry => entry.Fields), field =>
        {
            Assert.DoesNotContain("another-secret", field.Text ?? "", StringComparison.Ordinal);
            Assert.DoesNotContain("horse", field.Text ?? "", StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task Redis_that_answers_PING_is_healthy_comes_and_goes_and_tells_what_is_wrong_with_the_login()
    {
        var server = await RealStore.StartRedisAsync("hush");
        Assert.SkipWhen(server is null, "redis-server is missing: apt-get install redis-server");
        await using var stranger = Start($"redis://127.0.0.1:{server!.Port}", "every: 1h, timeout: 20s");
        await stranger.BecomesAsync(ServiceCourse.Unhealthy, "store");
        Assert.Equal("redis PING: the server refuses the login", stranger.Health("store").Detail);

        await using var gateway = Start($"redis://:hush@127.0.0.1:{server.Port}", HealthGateway.Quick);
        await gateway.HealthyAsync(service: "store");
        await server.DisposeAsync();
        await gateway.BecomesAsync(ServiceCourse.Unhealthy, "store");
        Assert.Equal("redis PING: the connection was refused", gateway.Health("store").Detail);
        await using var again = await RealStore.StartRedisAsync("hush", server.Port);
        await gateway.HealthyAsync(service: "store");
    }

    [Theory]
    [InlineData("postgres", "postgres: no answer within 300 ms")]
    [InlineData("redis", "redis PING: no answer within 300 ms")]
    public async Task Server_that_takes_the_connection_and_says_nothing_is_unhealthy_in_time(string scheme, string detail)
    {
        await using var silent = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
            {
                // It says nothing.
            }
        });
        await using var gateway = Start($"{scheme}://malha:x@127.0.0.1:{silent.Port}", "every: 20ms, timeout: 300ms, fall: 1");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy, "store");
        Assert.Equal(detail, gateway.Health("store").Detail);
        await Eventually.HoldsAsync(() => gateway.Endpoint(service: "store").Checks(ProbeVerdict.TimedOut) >= 2, "checks go on");
    }

    private static TestGateway Start(string url, string health) => TestGateway.Start($$"""
        listeners: { edge: { address: "127.0.0.1:0" } }
        services: { store: { endpoints: [ "{{url}}" ], health: { {{health}} } } }
        """);
}
