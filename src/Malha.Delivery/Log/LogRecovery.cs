using System.Globalization;
using Malha.Delivery.Log.Wal;
using Malha.Delivery.Operations;
using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>What recovery made of a log.</summary>
/// <param name="Recovered">It can be opened now.</param>
/// <param name="Message">For the operator.</param>
/// <param name="Lost">Bytes that could not be read.</param>
/// <param name="Operations">Operations that are there.</param>
/// <param name="BatchesBehind">Batches behind the damage that were whole, and were written again.</param>
/// <param name="SetAside">Where the files are that it changed, as they were; empty when none was.</param>
internal sealed record RecoveryReport(bool Recovered, string Message, IReadOnlyList<WalDamage> Lost, int Operations, int BatchesBehind, string SetAside);

/// <summary>
/// Makes a log that opening refused one that opens, with all that is whole: what is before the damage by RocksDB itself, what is behind it by writing those batches again,
/// and every order anew from the operations. It is an operator's decision, since what was acknowledged and lies in the damage is lost by it; the logs as they were are kept beside.
/// </summary>
internal static class LogRecovery
{
    private const int GroupCount = 256;

    public static RecoveryReport Recover(EmbeddedLogConfig config)
    {
        using var @lock = LogOpening.TryLock(config.Path);
        if (@lock is null)
            return Failed($"{config.Path} cannot be locked: another process has it open");
        var directory = Path.Combine(config.Path, LogOpening.StoreDirectory);
        if (!Directory.Exists(directory))
            return Failed($"there is no log at {config.Path}");
        try
        {
            if (LogOpening.ManifestDamage(directory) is { } place)
                return Failed($"{place}: what its tables are cannot be told any more; restore it from a copy");
            var scan = WalScan.Read(directory, withContent: true);
            var aside = SetAside(config.Path, directory);
            if (scan.Damages is [var first, ..])
                WalScan.CutAt(directory, first);
            return Rebuild(config, directory, scan, aside);
        }
        catch (Exception refused) when (refused is RocksDbException or IOException or UnauthorizedAccessException)
        {
            return Failed($"the log at {config.Path} cannot be recovered: {refused.Message}. Its logs are as they were beside it; restore it from a copy");
        }
    }

    private static RecoveryReport Rebuild(EmbeddedLogConfig config, string directory, WalScan scan, string aside)
    {
        using var store = Store.Open(directory, config, StoreMode.Salvage);
        var reached = store.LatestSequence;
        var behind = 0;
        foreach (var batch in scan.Batches.Where(batch => batch.First > reached))
        {
            using var again = WriteBatch.FromSpan(batch.Content);
            WriteWhole(store, again);
            behind++;
        }
        var operations = Reorder(store);
        store.Sync();
        store.Verify();
        // What it says is true from here on; until now an opening refused.
        AckMarker.Create(Path.Combine(config.Path, AckMarker.FileName), store.LatestSequence, store.LatestSequence).Dispose();
        var lost = scan.Damages.Sum(damage => damage.End - damage.Start);
        return new RecoveryReport(
            true, $"{operations} operations are whole; {lost} bytes of the log were not, {behind} batches behind them were written again", scan.Damages, operations, behind, aside);
    }

    // A change whose acceptance is lost brings its operation back, and one whose change is lost still has its old entries: the orders follow the operations.
    private static int Reorder(Store store)
    {
        foreach (var family in (ReadOnlySpan<Family>)[Family.Lanes, Family.Keys, Family.Due, Family.Dead, Family.Owners])
            Clear(store, family);

        var (operations, last, from) = (0, store.LastPosition() ?? 0, Array.Empty<byte>());
        using var batch = new WriteBatch();
        var entries = new List<(Family Family, byte[] Key)>();
        while (store.Scan(Family.Operations, from, [], GroupCount) is { Count: > 0 } group)
        {
            batch.Clear();
            foreach (var (id, bytes) in group)
            {
                if (OperationFormat.Read(bytes) is not { } operation)
                    continue;
                operations++;
                last = Math.Max(last, operation.Position);
                entries.Clear();
                StoreKeys.Entries(operation, entries);
                foreach (var (family, key) in entries)
                    store.Put(batch, family, key, id);
                if (operation.Deduplication is { } deduplication)
                    store.Put(batch, Family.Deduplication, deduplication.Caller.Span, [.. id, .. deduplication.Bytes]);
            }
            store.Put(batch, Family.Meta, StoreKeys.PositionKey, StoreKeys.Big(last));
            WriteWhole(store, batch);
            from = [.. group[^1].Key, 0];
        }
        Head(store);
        return operations;
    }

    // Who was first of a key may be lost, and then nobody of it would ever be due; who was, and is there again, must not be beside its successor.
    private static void Head(Store store)
    {
        using var batch = new WriteBatch();
        var (from, before, fields) = (Array.Empty<byte>(), Array.Empty<byte>(), new FieldWriter());
        while (store.Scan(Family.Keys, from, [], GroupCount) is { Count: > 0 } group)
        {
            batch.Clear();
            foreach (var (key, id) in group)
            {
                var isBehind = key.AsSpan(..^sizeof(long)).SequenceEqual(before);
                before = key[..^sizeof(long)];
                if (store.Operation(OperationId.Read(id), out _) is not { } operation || operation.IsBehind == isBehind)
                    continue;
                var due = StoreKeys.Attempt(operation.Lane, operation.Due, operation.Position);
                if (isBehind)
                    store.Delete(batch, Family.Due, due);
                else
                    store.Put(batch, Family.Due, due, id);
                OperationFormat.Write(operation with { IsBehind = isBehind }, fields);
                store.Put(batch, Family.Operations, id, fields.Written);
            }
            WriteWhole(store, batch);
            from = [.. group[^1].Key, 0];
        }
    }

    private static void Clear(Store store, Family family)
    {
        using var batch = new WriteBatch();
        while (store.Scan(family, [], [], GroupCount) is { Count: > 0 } group)
        {
            batch.Clear();
            group.ForEach(entry => store.Delete(batch, family, entry.Key));
            WriteWhole(store, batch);
        }
    }

    private static void WriteWhole(Store store, WriteBatch batch)
    {
        while (!store.Write(batch))
        {
            if (store.BackgroundErrors > 0)
                throw new IOException("RocksDB met an error in the background");
            Thread.Yield();
        }
    }

    private static string SetAside(string path, string directory)
    {
        var number = 1;
        while (Directory.Exists(Path.Combine(path, $"set-aside-{number}")))
            number++;
        var aside = Directory.CreateDirectory(Path.Combine(path, string.Create(CultureInfo.InvariantCulture, $"set-aside-{number}"))).FullName;
        foreach (var (log, _) in WalScan.Files(directory))
            File.Copy(log, Path.Combine(aside, Path.GetFileName(log)));
        var marker = Path.Combine(path, AckMarker.FileName);
        if (File.Exists(marker))
            File.Copy(marker, Path.Combine(aside, AckMarker.FileName));
        return aside;
    }

    private static RecoveryReport Failed(string message) => new(false, message, [], 0, 0, "");
}
