using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Packaging;

/// <summary>What systemd is told, and the unit that it gets.</summary>
public sealed class ServiceManagerTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("malha-unit-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Program_says_when_it_is_ready_reloads_stops_and_that_it_lives(bool isAbstract)
    {
        var address = isAbstract ? $"@malha-test-{Environment.ProcessId}" : Path.Combine(_folder.FullName, "notify");
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + address[1..] : address));
        var file = Path.Combine(_folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, TestGateway.File("http://127.0.0.1:9"), TestContext.Current.CancellationToken);
        var environment = new Dictionary<string, string> { ["NOTIFY_SOCKET"] = address, ["WATCHDOG_USEC"] = "200000" };
        await using var malha = await MalhaProcess.StartAsync(["run", file], 1, environment);

        Assert.Equal("READY=1", await NextAsync(manager));
        Assert.Equal("WATCHDOG=1", await NextAsync(manager));
        Assert.Equal("WATCHDOG=1", await NextAsync(manager));
        await SignalAsync(malha, "HUP");
        Assert.Matches("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$", await NextAsync(manager, but: "WATCHDOG=1"));
        Assert.Equal("READY=1", await NextAsync(manager, but: "WATCHDOG=1"));
        await SignalAsync(malha, "TERM");
        Assert.Equal("STOPPING=1", await NextAsync(manager, but: "WATCHDOG=1"));
        Assert.Equal(0, await malha.ExitedAsync(Peer.Patience));
    }

    [Fact]
    public async Task Unit_is_one_that_systemd_takes_and_calls_well_kept()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "systemd-analyze is missing: apt-get install systemd");
        var unit = await File.ReadAllTextAsync(Path.Combine(Repository(), "packaging", "systemd", "malha.service"), TestContext.Current.CancellationToken);
        var file = Path.Combine(_folder.FullName, "malha.service");
        // Its program is not installed here.
        await File.WriteAllTextAsync(file, unit.Replace("/usr/lib/malha/malha", "/bin/true", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var (code, said) = await RunAsync("systemd-analyze", "verify", "--man=no", file);
        Assert.DoesNotContain("malha.service:", said, StringComparison.Ordinal);
        (code, said) = await RunAsync("systemd-analyze", "security", "--offline=true", "--threshold=25", file);
        Assert.True(code == 0, said);
    }

    private static async Task<string> NextAsync(Socket manager, string? but = null)
    {
        using var patience = new CancellationTokenSource(Peer.Patience);
        var buffer = new byte[512];
        while (true)
        {
            var said = Encoding.ASCII.GetString(buffer, 0, await manager.ReceiveAsync(buffer, patience.Token));
            if (said != but)
                return said;
        }
    }

    private static async Task SignalAsync(MalhaProcess malha, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{malha.ProcessId}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    internal static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Malha.slnx")))
            folder = folder.Parent ?? throw new InvalidOperationException("the repository is not around the tests");
        return folder.FullName;
    }

    internal static async Task<(int Code, string Said)> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await error);
    }
}
