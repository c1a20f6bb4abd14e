using System.Diagnostics;
using Malha.Delivery.Log;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Delivery;

/// <summary>A disk of 96 MB of its own, filled while the log is under load.</summary>
public sealed class FullDiskTests : IAsyncLifetime
{
    private const int DiskMegabytes = 96;
    private const int FillerMegabytes = 40;
    private static readonly TimeSpan Resumes = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CommandPatience = TimeSpan.FromSeconds(30);

    private readonly string _path = Directory.CreateTempSubdirectory("malha-full-").FullName;
    private string _whyNot = "";

    private string Mount => Path.Combine(_path, "disk");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Mount);
        var image = Path.Combine(_path, "image");
        await using (var file = File.Create(image))
            file.SetLength((long)DiskMegabytes << 20);
        _whyNot = await RunAsync("mkfs.ext4", "-q", "-m", "0", image) ?? await RunAsync("mount", "-o", "loop", image, Mount) ?? "";
    }

    public async ValueTask DisposeAsync()
    {
        if (_whyNot.Length == 0)
            Assert.Null(await RunAsync("umount", Mount));
        Directory.Delete(_path, recursive: true);
    }

    [Theory]
    // Stopped before the disk is full, by what is measured.
    [InlineData("30000000", "x DiskNearlyFull")]
    // Told to use every byte, it meets the end of the disk in the middle of a write.
    [InlineData("0", "x Failed")]
    public async Task A_full_disk_makes_no_false_acknowledgement_and_room_on_it_is_used_within_five_seconds(string minimum, string refusal)
    {
        Assert.SkipUnless(_whyNot.Length == 0, $"NOT TESTED, a disk of its own cannot be mounted here (root and loop devices are needed): {_whyNot}");
        var store = Path.Combine(Mount, "log");
        var filler = Path.Combine(Mount, "filler");
        File.OpenHandle(filler, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, preallocationSize: (long)FillerMegabytes << 20).Dispose();

        await using var load = await LoadProcess.StartAsync(
            store, ["--acks", "all,leader", "--callers", "8", "--body", "16384", "--memory", "4000000", "--minimum", minimum, "--reserve", "4000000"]);
        await Eventually.HoldsAsync(() => load.Output.Contains(refusal, StringComparison.Ordinal) || !load.IsRunning, refusal);
        Assert.True(load.IsRunning, load.Output);

        var before = load.Acknowledged;
        var watch = Stopwatch.StartNew();
        File.Delete(filler);
        await Eventually.HoldsAsync(() => load.Acknowledged > before + 10 || !load.IsRunning, $"it resumes:\n{Tail(load.Output)}");
        Assert.True(watch.Elapsed < Resumes, $"{watch.Elapsed}");

        await load.KillAsync();
        await LoadProcess.HoldsAsync(new EmbeddedLogConfig { Path = store, MinimumFreeBytes = 0, ReserveBytes = 0 }, load.Ledger());
    }

    private static string Tail(string output) => output[^Math.Min(output.Length, 2000)..];

    private static async Task<string?> RunAsync(string program, params string[] arguments)
    {
        try
        {
            await using var child = ChildProcess.Start(program, arguments, new Dictionary<string, string>(), _ => false);
            return await child.ExitedAsync(CommandPatience) == 0 ? null : $"{program}: {child.Output}";
        }
        catch (System.ComponentModel.Win32Exception absent)
        {
            return absent.Message;
        }
    }
}
