using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>What a store is opened for.</summary>
internal enum StoreMode
{
    /// <summary>There is none yet.</summary>
    Create,

    /// <summary>To work. Nothing is created.</summary>
    Work,

    /// <summary>To see how far it reaches. Nothing is written.</summary>
    Probe,

    /// <summary>What is whole, though RocksDB misses some of its logs.</summary>
    Salvage,
}

/// <summary>RocksDB's options where its defaults do not do, each with its reason.</summary>
internal static class StoreOptions
{
    /// <summary>The families' names on disk, in the order of <see cref="Family"/>.</summary>
    public static readonly string[] Names = ["default", "operations", "bodies", "answers", "lanes", "keys", "due", "deduplication", "dead", "owners"];

    // RocksDB's own.
    private const int Level0Stop = 36;

    public static (DbOptions Options, ColumnFamilies Families) For(string directory, EmbeddedLogConfig config, StoreMode mode)
    {
        var options = new DbOptions()
            .SetCreateIfMissing(mode == StoreMode.Create)
            .SetCreateMissingColumnFamilies(mode is StoreMode.Create or StoreMode.Work)
            .SetWalRecoveryMode(Recovery.PointInTime)
            .SetDbWriteBufferSize((ulong)config.MemoryBytes)
            .SetMaxTotalWalSize((ulong)config.MemoryBytes * 2)
            // Its own log of events: small, and few of them.
            .SetInfoLogLevel(InfoLogLevel.Warn).SetKeepLogFileNum(2).SetMaxLogFileSize(1 << 20)
            .SetStatsDumpPeriodSec(0)
            .SetMaxOpenFiles(256);
        var native = Native.Instance;
        // A batch changes several families: they must reach tables together, or a log that is cut afterwards leaves some of them ahead of the others.
        native.rocksdb_options_set_atomic_flush(options.Handle, 1);
        // A log that was synced and is missing or short is an error when it is opened.
        native.rocksdb_options_set_track_and_verify_wals_in_manifest(options.Handle, mode is StoreMode.Salvage or StoreMode.Probe ? (byte)0 : (byte)1);
        // RocksDB's own resume after an error fails when the disk was full; we close, open again and verify.
        native.rocksdb_options_set_max_bgerror_resume_count(options.Handle, 0);

        var familyOptions = new ColumnFamilyOptions()
            .SetWriteBufferSize((ulong)config.MemoryBytes / 4)
            // No slowing down before it stops: a write is told of either in the same words, and only the end of a stop can be waited for.
            .SetLevel0SlowdownWritesTrigger(Level0Stop).SetLevel0StopWritesTrigger(Level0Stop).SetSoftPendingCompactionBytesLimit(0)
            .SetCompression(Compression.No);
        var families = new ColumnFamilies(familyOptions);
        foreach (var name in Known(directory).Skip(1))
            families.Add(name, familyOptions);
        return (options, families);
    }

    // RocksDB opens all families or none: those that a newer version added are opened and left alone.
    private static IEnumerable<string> Known(string directory) =>
        RocksDb.TryListColumnFamilies(new DbOptions(), directory, out var present) ? Names.Union(present) : Names;
}
