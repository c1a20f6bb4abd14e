using System.Diagnostics;

namespace Malha.IntegrationTests;

public sealed class CommandLineTests
{
    [Fact]
    public async Task Wrong_usage_ends_with_2()
    {
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "malha"), ["no-such-command"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(2, process.ExitCode);
    }
}
