using System.Diagnostics;
using System.Text;
using Malha.IntegrationTests.Admin;

namespace Malha.IntegrationTests.Operations;

/// <summary>`malha top` on a terminal of 80 columns, which <c>script</c> is.</summary>
public sealed class TopCommandTests
{
    [Fact]
    public async Task Ctrl_c_leaves_it_with_0_and_gives_the_cursor_back()
    {
        await using var gateway = await RunningGateway.StartAsync("services: { orders-database: { endpoints: [ http://127.0.0.1:1, http://127.0.0.1:2 ] } }\n");
        var malha = Path.Combine(AppContext.BaseDirectory, "malha");
        // exec: a shell that stays in between is ended by the signal itself, and its code is what script tells.
        var start = new ProcessStartInfo("script", ["--quiet", "--return", "--flush", "--command", $"exec '{malha}' top --admin {gateway.Admin}", "/dev/null"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["TERM"] = "xterm";
        using var process = Process.Start(start)!;
        var seen = new StringBuilder();
        var buffer = new char[4096];
        var isLeft = false;
        while (await process.StandardOutput.ReadAsync(buffer, TestContext.Current.CancellationToken) is var count and > 0)
        {
            seen.Append(buffer, 0, count);
            // The second picture is there: it is drawn again and again.
            if (isLeft || !seen.ToString().Contains("per s", StringComparison.Ordinal))
                continue;
            isLeft = true;
            await process.StandardInput.WriteAsync('\x03');
            await process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        }
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        var screen = seen.ToString();
        Assert.True(screen.LastIndexOf("\e[?25h", StringComparison.Ordinal) > screen.LastIndexOf("\e[?25l", StringComparison.Ordinal), screen);
        Assert.Contains("orders-database  2          0       20     0      0", screen, StringComparison.Ordinal);
    }
}
