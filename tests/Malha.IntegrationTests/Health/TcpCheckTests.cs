using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Health;

namespace Malha.IntegrationTests.Health;

/// <summary>A connection that can be opened is health enough; one that cannot is not.</summary>
public sealed class TcpCheckTests
{
    [Fact]
    public async Task Listening_is_healthy_and_not_listening_is_not()
    {
        var origin = new CheckedOrigin();
        await using var gateway = HealthGateway.Start([origin.Url], $"tcp: true, {HealthGateway.Quick}");
        await gateway.HealthyAsync();
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal(0, origin.Checks);
        await origin.DisposeAsync();
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("tcp: the connection was refused");
    }

    [Fact]
    public async Task Plain_server_behind_an_https_endpoint_is_unhealthy()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.SendAsync("220 no TLS here, as a mail server would say\r\n");
            await peer.ReadRequestAsync();
        });
        await using var gateway = HealthGateway.Start([$"https://127.0.0.1:{origin.Port}"], "tcp: true, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        Assert.StartsWith("tcp: the TLS handshake failed: ", gateway.Health().Detail, StringComparison.Ordinal);
    }
}
