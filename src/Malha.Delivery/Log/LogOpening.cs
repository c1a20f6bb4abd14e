using Malha.Delivery.Log.Wal;
using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>How opening ended.</summary>
internal enum OpenOutcome
{
    Opened,

    /// <summary>Another process has it open.</summary>
    InUse,

    /// <summary>What was acknowledged is not whole, or cannot be told to be. <c>LogRecovery</c> opens what is.</summary>
    Damaged,

    /// <summary>Written by a version two or more ahead.</summary>
    NewerFormat,

    /// <summary>The disk refused: no space, no permission, an error. It may succeed later.</summary>
    Failed,
}

/// <summary>What opening found. <see cref="Message"/> is for the operator: what is wrong and what to do.</summary>
/// <param name="Outcome">Whether it is open.</param>
/// <param name="Message">Empty when there is nothing to say.</param>
/// <param name="Dropped">Bytes at the log's end that were no whole batch and not acknowledged.</param>
/// <param name="LostWritten">Sequences that were acknowledged at <c>leader</c> and went with the machine's memory: [first, last].</param>
internal sealed record OpenReport(OpenOutcome Outcome, string Message, IReadOnlyList<WalDamage> Dropped, (ulong First, ulong Last)? LostWritten = null)
{
    public static OpenReport Refused(OpenOutcome outcome, string message, IReadOnlyList<WalDamage>? damages = null) => new(outcome, message, damages ?? []);
}

/// <summary>
/// Opens a store that may have been left in any state. What must be there is what the marker says. The log is read twice, by <see cref="WalScan"/> and by RocksDB, and only
/// what both agree on is opened: RocksDB takes some damage for the end. A log that ends early is opened when nothing that was acknowledged is behind that place, and
/// what was dropped is told; otherwise nothing is touched. A store is created only where there is no trace of one.
/// </summary>
internal static class LogOpening
{
    public const string StoreDirectory = "store";
    public const string LockFile = "lock";

    private const ushort Format = 1;

    public static FileStream? TryLock(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            return new FileStream(Path.Combine(path, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception taken) when (taken is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The caller holds the lock of <see cref="TryLock"/>.</summary>
    public static (OpenReport Report, Store? Store, AckMarker? Marker) Open(EmbeddedLogConfig config)
    {
        try
        {
            return OpenLocked(config, Path.Combine(config.Path, StoreDirectory), Path.Combine(config.Path, AckMarker.FileName));
        }
        catch (RocksDbException damaged) when (damaged.Message.StartsWith("Corruption", StringComparison.Ordinal))
        {
            return (OpenReport.Refused(OpenOutcome.Damaged, $"the log at {config.Path} is not whole ({damaged.Message}): {Advice}"), null, null);
        }
        catch (Exception refused) when (refused is RocksDbException or IOException or UnauthorizedAccessException)
        {
            return (OpenReport.Refused(OpenOutcome.Failed, $"the log at {config.Path} cannot be opened: {refused.Message}"), null, null);
        }
    }

    private static (OpenReport Report, Store? Store, AckMarker? Marker) OpenLocked(EmbeddedLogConfig config, string directory, string markerPath)
    {
        Directory.CreateDirectory(directory);
        var state = AckMarker.Read(markerPath, out var markerDamaged);
        var exists = Directory.GetFiles(directory).Length > 0;
        if (markerDamaged || (state is null && exists))
            return (OpenReport.Refused(OpenOutcome.Damaged, $"{markerPath}, which says how far the log was acknowledged, is {(markerDamaged ? "damaged" : "missing")}: {Advice}"), null, null);

        // The marker is made first: with it and nothing acknowledged, files may be missing because their creation was cut short.
        if (state is null)
            AckMarker.Create(markerPath, 0, 0).Dispose();
        var boot = AckMarker.CurrentBoot();
        var required = state?.Required(boot) ?? 0;
        if (!File.Exists(Path.Combine(directory, "CURRENT")) && (required > 0 || Directory.GetFiles(directory, "*.sst").Length > 0))
            return (OpenReport.Refused(OpenOutcome.Damaged, $"{directory} has lost its files, though up to sequence {required} was acknowledged: {Advice}"), null, null);

        if (ManifestDamage(directory) is { } place)
            return (OpenReport.Refused(OpenOutcome.Damaged, $"{place}: nothing was changed; restore it from a copy"), null, null);
        var scan = WalScan.Read(directory);
        if (Missing(config, directory, scan, required) is { } refusal)
            return (refusal, null, null);
        return OpenWhole(config, directory, markerPath, scan, state, required);
    }

    private const string Advice = "nothing was changed; restore it from a copy, or keep what is whole with `malha ops recover`";

    // Null: all that was acknowledged is there.
    private static OpenReport? Missing(EmbeddedLogConfig config, string directory, WalScan scan, ulong required)
    {
        var suspicious = scan.Damages.Count > 0 || (scan.LastWhole ?? 0) < required;
        if (!suspicious || required == 0)
            return null;
        if (scan.Damages.Count > 0 && scan.LastWhole is { } whole && whole < required)
            return Refusal(directory, whole, required, scan.Damages);

        // All may be in tables already, with a log that has nothing or only what was not acknowledged.
        ulong reached;
        try
        {
            reached = Probe(config, directory, scan);
        }
        catch (RocksDbException unreadable)
        {
            return OpenReport.Refused(OpenOutcome.Damaged, $"{directory} cannot be read ({unreadable.Message}): {Advice}", scan.Damages);
        }
        return reached < required ? Refusal(directory, reached, required, scan.Damages) : null;
    }

    // Without changing anything: a damaged log is cut in a copy.
    private static ulong Probe(EmbeddedLogConfig config, string directory, WalScan scan)
    {
        var copy = directory;
        if (scan.Damages is [var first, ..])
        {
            copy = Path.Combine(config.Path, "probe");
            if (Directory.Exists(copy))
                Directory.Delete(copy, recursive: true);
            Directory.CreateDirectory(copy);
            foreach (var file in Directory.GetFiles(directory))
            {
                var name = Path.GetFileName(file);
                if (name.EndsWith(".sst", StringComparison.Ordinal))
                    File.CreateSymbolicLink(Path.Combine(copy, name), file);
                else if (!name.StartsWith("LO", StringComparison.Ordinal))
                    File.Copy(file, Path.Combine(copy, name));
            }
            WalScan.CutAt(copy, first);
        }
        try
        {
            using var probe = Store.Open(copy, config, StoreMode.Probe);
            return probe.LatestSequence;
        }
        finally
        {
            if (copy != directory)
                Directory.Delete(copy, recursive: true);
        }
    }

    /// <summary>What is wrong with the list of tables, null: nothing but perhaps a last entry that was cut short, which RocksDB passes over.</summary>
    public static string? ManifestDamage(string directory)
    {
        var current = Path.Combine(directory, "CURRENT");
        if (!File.Exists(current))
            return null;
        var manifest = Path.Combine(directory, File.ReadAllText(current).Trim());
        if (!File.Exists(manifest))
            return $"{manifest} is missing";
        return WalFile.Check(File.ReadAllBytes(manifest)).FirstOrDefault(damage => !damage.Torn) is { } bad ? $"{manifest} is damaged at bytes {bad.Start} to {bad.End}" : null;
    }

    private static OpenReport Refusal(string directory, ulong reached, ulong required, IReadOnlyList<WalDamage> damages)
    {
        var place = damages is [var first, ..]
            ? $"{first.File:d6}.log, bytes {first.Start} to {first.End}: {first.Why}"
            : "the log ends early";
        return OpenReport.Refused(
            OpenOutcome.Damaged, $"sequences {reached + 1} to {required} of {directory} were acknowledged and are not whole ({place}): {Advice}", damages);
    }

    private static (OpenReport Report, Store? Store, AckMarker? Marker) OpenWhole(
        EmbeddedLogConfig config, string directory, string markerPath, WalScan scan, AckMarkerState? state, ulong required)
    {
        if (scan.Damages is [var first, ..])
            WalScan.CutAt(directory, first);
        var fresh = required == 0 && !File.Exists(Path.Combine(directory, "CURRENT"));
        var store = Store.Open(directory, config, fresh ? StoreMode.Create : StoreMode.Work);
        try
        {
            var reached = store.LatestSequence;
            if (reached < required)
            {
                store.Dispose();
                return (Refusal(directory, reached, required, scan.Damages), null, null);
            }
            if (FormatOf(store) is var format && format > Format + 1)
            {
                store.Dispose();
                return (OpenReport.Refused(OpenOutcome.NewerFormat, $"{directory} has format {format}; this version reads up to {Format + 1}"), null, null);
            }

            // RocksDB has written what it read from its logs into tables, and synced them: all that is there now is on the disk.
            var marker = AckMarker.Create(markerPath, reached, reached);
            var lost = state is { } before && before.Written > reached ? (reached + 1, before.Written) : ((ulong, ulong)?)null;
            return (new OpenReport(OpenOutcome.Opened, Told(scan.Damages, lost), scan.Damages, lost), store, marker);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    private static string Told(IReadOnlyList<WalDamage> dropped, (ulong First, ulong Last)? lost)
    {
        var told = dropped.Count == 0 ? "" : $"dropped {dropped.Sum(damage => damage.End - damage.Start)} bytes of the log's end that were not whole and not acknowledged";
        return lost is { } range ? $"{told}{(told.Length > 0 ? "; " : "")}sequences {range.First} to {range.Last}, acknowledged at leader, went with the machine's memory" : told;
    }

    private static int FormatOf(Store store)
    {
        if (store.Get(Family.Meta, StoreKeys.FormatKey) is { Length: sizeof(ushort) } bytes)
            return BitConverter.ToUInt16(bytes);
        using var batch = new WriteBatch();
        store.Put(batch, Family.Meta, StoreKeys.FormatKey, BitConverter.GetBytes(Format));
        store.Write(batch);
        return Format;
    }
}
