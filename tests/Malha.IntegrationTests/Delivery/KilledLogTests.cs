using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Delivery;

/// <summary>Real processes, real signals, a real disk.</summary>
public sealed class KilledLogTests : IDisposable
{
    private const int Seed = 20_261_126;
    private const int Kills = 20;

    private readonly string _path = Directory.CreateTempSubdirectory("malha-killed-").FullName;

    public void Dispose() => Directory.Delete(_path, recursive: true);

    [Fact]
    public async Task Killed_at_random_moments_nothing_acknowledged_is_lost()
    {
        var chance = new Random(Seed);
        var config = new EmbeddedLogConfig { Path = _path, MemoryBytes = 8 << 20, MinimumFreeBytes = 0, ReserveBytes = 0 };
        var ledger = new List<(OperationId, string)>();
        for (var kill = 0; kill < Kills; kill++)
        {
            // The moment is a number of acknowledgements: as random on a slow machine as on a fast one.
            var load = await LoadProcess.StartAsync(_path, ["--acks", "all,leader", "--callers", "8", "--memory", "1000000", "--minimum", "0", "--reserve", "0"]);
            var moment = chance.Next(1, 600);
            try
            {
                await Eventually.HoldsAsync(() => load.Acknowledged >= moment || !load.IsRunning, "acknowledgements");
                Assert.True(load.IsRunning, load.Output);
            }
            finally
            {
                await load.KillAsync();
            }
            ledger.AddRange(load.Ledger());
            if (kill % 5 == 4)
                await LoadProcess.HoldsAsync(config, ledger);
        }
        Assert.True(ledger.Count >= Kills);
    }

    [Theory]
    // strace counts by thread: the one that opens syncs fourteen times, the one that syncs the log comes to its twentieth under load.
    [InlineData("20+", false)]
    [InlineData("33+", false)]
    [InlineData("20", true)]
    public async Task After_a_sync_that_failed_nothing_is_acknowledged_until_the_log_was_opened_again(string when, bool heals)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/strace"), "strace is not installed (apt-get install strace)");
        var trace = Path.Combine(_path, "trace");
        var store = Path.Combine(_path, "log");
        // Quiet until it is ready; one caller, so that the order of system calls is the order of events.
        string[] strace = ["/usr/bin/strace", "-f", "-o", trace, "-e", "trace=fsync,fdatasync,write", "-e", $"inject=fdatasync:error=EIO:when={when}", "-e", "signal=none"];
        await using (var load = await LoadProcess.StartAsync(
            store, ["--acks", "all", "--callers", "1", "--count", heals ? "60" : "0", "--minimum", "0", "--reserve", "0"], strace))
        {
            if (heals)
                Assert.Equal(0, await load.ExitedAsync());
            else
                await Eventually.HoldsAsync(() => load.Output.Contains("x Failed", StringComparison.Ordinal), "the failure");
            Assert.Contains("x Failed", load.Output, StringComparison.Ordinal);
            if (heals)
                Assert.DoesNotContain("# reopened 0", load.Output, StringComparison.Ordinal);

            await load.KillAsync();
            var ledger = load.Ledger();
            await LoadProcess.HoldsAsync(new EmbeddedLogConfig { Path = store, MinimumFreeBytes = 0, ReserveBytes = 0 }, ledger);
            NoneAfter(await File.ReadAllLinesAsync(trace, TestContext.Current.CancellationToken), heals);
        }
    }

    // In the order of the kernel: between the injected failure and the caller's "x Failed" there is no "a ", and after it only when the log was opened again.
    private static void NoneAfter(string[] trace, bool heals)
    {
        var failed = Array.FindIndex(trace, line => line.Contains("(INJECTED)", StringComparison.Ordinal));
        Assert.True(failed >= 0, "no failure was injected");
        var behind = trace[failed..];
        var told = Array.FindIndex(behind, line => line.Contains("\"x Failed", StringComparison.Ordinal));
        Assert.True(told >= 0, "the failure was not told");
        Assert.Contains(trace[..failed], line => line.Contains(", \"a All ", StringComparison.Ordinal));
        var checkedLines = heals ? behind[..told] : behind;
        Assert.DoesNotContain(checkedLines, line => line.Contains(", \"a All ", StringComparison.Ordinal));
    }
}
