using Malha.Delivery.Log;
using Malha.Delivery.Log.Wal;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

/// <summary>
/// A log with some operations, each its own batch, closed and still all in the write-ahead log; to be copied and damaged. Some batches are longer than a block of the
/// log; the last ones are short, so that its last 4,096 bytes hold several.
/// </summary>
public sealed class PristineLog : IAsyncLifetime
{
    public const int Tail = 4096;

    private const int Count = 24;
    private readonly TemporaryLog _directory = new();

    internal List<Operation> Operations { get; } = [];

    /// <summary>Batch of each operation, in their order.</summary>
    internal IReadOnlyList<WalBatch> Batches { get; private set; } = [];

    internal ulong FirstSequence { get; private set; }

    internal ulong LastSequence => Batches[^1].Last;

    internal int Length { get; private set; }

    public async ValueTask InitializeAsync()
    {
        await using (var log = _directory.Open())
        {
            for (var number = 0; number < Count; number++)
            {
                var operation = TemporaryLog.Post($"/{number}", key: $"key{number % 3}");
                Operations.Add(operation);
                Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(operation, new byte[number % 6 == 0 && number < 18 ? 40_000 : 300])).Outcome);
            }
        }
        var scan = WalScan.Read(_directory.Store);
        Assert.Empty(scan.Damages);
        // The very first batch is the format's version.
        FirstSequence = scan.Batches[0].Last;
        Batches = [.. scan.Batches.Skip(1)];
        Assert.Equal(Count, Batches.Count);
        Length = (int)new FileInfo(LogFile(_directory)).Length;
    }

    /// <summary>A copy that was acknowledged so far; <paramref name="damage"/> gets the log's bytes and gives what is to be there instead.</summary>
    internal TemporaryLog Copy(ulong acknowledged, Func<byte[], byte[]> damage, byte[]? boot = null, ulong? synced = null)
    {
        var copy = new TemporaryLog();
        Directory.CreateDirectory(copy.Store);
        foreach (var file in Directory.GetFiles(_directory.Store).Where(file => Path.GetFileName(file) is not "LOG"))
            File.Copy(file, Path.Combine(copy.Store, Path.GetFileName(file)));
        File.WriteAllBytes(LogFile(copy), damage(File.ReadAllBytes(LogFile(_directory))));
        AckMarker.Create(Path.Combine(copy.Config.Path, AckMarker.FileName), acknowledged, synced ?? acknowledged, boot).Dispose();
        return copy;
    }

    internal static string LogFile(TemporaryLog directory) => WalScan.Files(directory.Store).Single().Path;

    public ValueTask DisposeAsync()
    {
        _directory.Dispose();
        return ValueTask.CompletedTask;
    }
}
