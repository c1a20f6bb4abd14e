using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Health;

namespace Malha.IntegrationTests.Health;

/// <summary>What becomes of real traffic: an endpoint that fails more than the others is left out, and one that works in spite of its checks is used in a panic.</summary>
public sealed class EjectionTests
{
    [Fact]
    public async Task Endpoint_that_fails_where_the_other_does_not_is_ejected_without_any_check()
    {
        await using var good = new CheckedOrigin();
        await using var bad = new CheckedOrigin { Status = 500 };
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { shop: { endpoints: [ "{{good.Url}}", "{{bad.Url}}" ], balance: round-robin } }
            routes: [ { service: shop } ]
            """);
        var sent = await SendUntilAsync(gateway, () => gateway.Endpoint(1).Share == 0);
        // At least twenty requests each, of which one fails and the other does not.
        Assert.InRange(sent, 40, 60);
        var before = bad.Requests;
        for (var request = 0; request < 30; request++)
            Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal(before, bad.Requests);
        Assert.Equal(1, gateway.Endpoint(1).Ejections);
        Assert.Equal(0, bad.Checks);
        Assert.Contains(gateway.Events(), entry => entry.Name == "endpoint-ejected" && entry.Fields.Any(field => field.Text == bad.Url));
    }

    [Fact]
    public async Task Endpoints_that_all_fail_stay_all()
    {
        await using var one = new CheckedOrigin { Status = 500 };
        await using var other = new CheckedOrigin { Status = 500 };
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { shop: { endpoints: [ "{{one.Url}}", "{{other.Url}}" ], balance: round-robin } }
            routes: [ { service: shop } ]
            """);
        for (var request = 0; request < 80; request++)
            Assert.Equal(500, (await gateway.GetAsync()).Status);
        Assert.Equal((1, 1), (gateway.Endpoint(0).Share, gateway.Endpoint(1).Share));
    }

    [Fact]
    public async Task Unhealthy_endpoints_that_serve_real_requests_are_used_in_a_panic_and_it_is_visible()
    {
        await using var good = new CheckedOrigin();
        await using var one = new CheckedOrigin();
        await using var other = new CheckedOrigin();
        await using var gateway = HealthGateway.Start([good.Url, one.Url, other.Url], $"path: /health, {HealthGateway.Quick}");
        for (var index = 0; index < 3; index++)
            await gateway.HealthyAsync(index);
        // All three have served lately when the checks of two fail.
        await SendUntilAsync(gateway, () => good.Requests > 0 && one.Requests > 0 && other.Requests > 0);
        one.Health = CheckedOrigin.Bad;
        other.Health = CheckedOrigin.Bad;
        await gateway.BecomesAsync(ServiceCourse.Panic);
        Assert.Equal(3, gateway.Health().Usable);
        var (before, count) = (one.Requests, 0);
        await SendUntilAsync(gateway, () => one.Requests > before && ++count > 0);
        Assert.Contains(gateway.Events(), entry => entry.Name == "panic-began");
        one.Health = CheckedOrigin.Good;
        await gateway.BecomesAsync(ServiceCourse.Healthy);
        Assert.Contains(gateway.Events(), entry => entry.Name == "panic-ended");
    }

    private static async Task<int> SendUntilAsync(TestGateway gateway, Func<bool> condition)
    {
        for (var sent = 0; sent < 1000; sent++)
        {
            if (condition())
                return sent;
            var answer = await gateway.GetAsync();
            Assert.True(answer.Status is 200 or 500, WireText.Text(answer.Body));
        }
        Assert.Fail("a thousand requests changed nothing");
        return 0;
    }
}
