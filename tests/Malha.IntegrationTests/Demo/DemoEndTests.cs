using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Malha.IntegrationTests.Demo;

/// <summary>However the demo ends, or fails to begin, nothing of it stays.</summary>
public sealed class DemoEndTests
{
    private const int ServicesAndGateway = 6;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_interrupt_leaves_no_process()
    {
        await using var demo = await RunningDemo.StartAsync(Cancellation);
        var children = demo.Children();
        Assert.Equal(ServicesAndGateway, children.Count);

        Assert.Equal(0, await demo.SignalAsync("INT", Cancellation));
        Assert.DoesNotContain(children, RunningDemo.IsAlive);
    }

    [Fact]
    public async Task Killed_the_demo_takes_everything_with_it()
    {
        await using var demo = await RunningDemo.StartAsync(Cancellation);
        var children = demo.Children();
        Assert.Equal(ServicesAndGateway, children.Count);

        await demo.SignalAsync("KILL", Cancellation);
        foreach (var child in children)
            await RunningDemo.WaitForEndAsync(child, Cancellation);
    }

    [Theory]
    [InlineData("--port", "--admin-port")]
    [InlineData("--admin-port", "--port")]
    public async Task A_taken_port_is_named_with_the_option_that_changes_it(string taken, string other)
    {
        using var holder = new TcpListener(IPAddress.Loopback, 0);
        holder.Start();
        var port = ((IPEndPoint)holder.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var freePort = ((IPEndPoint)free.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        free.Stop();

        var (code, _, error) = await RunningDemo.RunToEndAsync(["demo", taken, port, other, freePort], Cancellation);
        Assert.Equal(3, code);
        Assert.Contains($"port {port} is taken", error, StringComparison.Ordinal);
        Assert.Contains($"{taken} N", error, StringComparison.Ordinal);
    }
}
