using Malha.Delivery.Operations;
using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>Reads a key where it lies.</summary>
internal delegate void KeyReader(ReadOnlySpan<byte> key);

/// <summary>
/// The opened RocksDB. Whoever reads takes a lease, and <see cref="Dispose"/> waits until none is out: a handle that is used after its database is closed ends the
/// process. RocksDB's exceptions stay in here and in those who open, write and sync.
/// </summary>
internal sealed class Store : IDisposable
{
    private readonly RocksDb _database;
    private readonly ColumnFamilyHandle[] _families;
    private readonly WriteOptions _writeOptions = new();
    private readonly ManualResetEventSlim _unused = new();
    private int _leases;

    private Store(RocksDb database)
    {
        _database = database;
        // With no space left RocksDB waits for some, and a write in it with it, for ever: the writer is told of a stall instead.
        Native.Instance.rocksdb_writeoptions_set_no_slowdown(_writeOptions.Handle, 1);
        _families = [.. StoreOptions.Names.Select(database.GetColumnFamily)];
    }

    public ulong LatestSequence => _database.GetLatestSequenceNumber();

    /// <summary>Errors of flushes and compactions since it was opened. RocksDB goes on in memory after them for a while; we do not.</summary>
    public long BackgroundErrors => Property("rocksdb.background-errors");

    /// <exception cref="RocksDbException">It cannot be opened.</exception>
    public static Store Open(string directory, EmbeddedLogConfig config, StoreMode mode)
    {
        var (options, families) = StoreOptions.For(directory, config, mode);
        return new Store(mode == StoreMode.Probe
            ? RocksDb.OpenReadOnly(options, directory, families, false)
            : RocksDb.Open(options, directory, families));
    }

    public bool TryEnter()
    {
        while (true)
        {
            var leases = Volatile.Read(ref _leases);
            if (leases < 0)
                return false;
            if (Interlocked.CompareExchange(ref _leases, leases + 1, leases) == leases)
                return true;
        }
    }

    public void Exit()
    {
        if (Interlocked.Decrement(ref _leases) == int.MinValue)
            _unused.Set();
    }

    public byte[]? Get(Family family, ReadOnlySpan<byte> key) => _database.Get(key, _families[(int)family]);

    public void Put(WriteBatch batch, Family family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => batch.Put(key, value, _families[(int)family]);

    public void Delete(WriteBatch batch, Family family, ReadOnlySpan<byte> key) => batch.Delete(key, _families[(int)family]);

    /// <summary>Handed to the operating system when it returns true; false: tables are written more slowly than the log, try again a little later.</summary>
    public bool Write(WriteBatch batch)
    {
        try
        {
            _database.Write(batch, _writeOptions);
            return true;
        }
        catch (RocksDbException stalled) when (stalled.Message.Contains("incomplete", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
    }

    /// <summary>On the disk when it returns: all that was written before it was called. Writes go on meanwhile.</summary>
    public void Sync() => Native.Instance.rocksdb_flush_wal(_database.Handle, 1);

    /// <summary>Reads every block of every table and compares it with its check sum.</summary>
    public void Verify() => Native.Instance.rocksdb_verify_checksum(_database.Handle);

    /// <summary>Entries whose key is at or behind <paramref name="from"/> and begins with <paramref name="prefix"/>, in order.</summary>
    public List<(byte[] Key, byte[] Value)> Scan(Family family, ReadOnlySpan<byte> from, ReadOnlySpan<byte> prefix, int count)
    {
        var entries = new List<(byte[], byte[])>();
        using var iterator = _database.NewIterator(_families[(int)family]);
        for (iterator.Seek(from); entries.Count < count && iterator.Valid() && iterator.GetKeySpan().StartsWith(prefix); iterator.Next())
            entries.Add((iterator.Key(), iterator.Value()));
        return entries;
    }

    /// <summary>
    /// Entries from one key to another, which is not among them. What was deleted is passed over one by one until tables are merged: a reader of a queue begins where its last one
    /// ended, and says where it ends.
    /// </summary>
    public List<(byte[] Key, byte[] Value)> Between(Family family, byte[] from, byte[] until, int count)
    {
        var entries = new List<(byte[], byte[])>();
        var options = new ReadOptions();
        using var iterator = _database.NewIterator(_families[(int)family], options.SetIterateUpperBound(until));
        for (iterator.Seek(from); entries.Count < count && iterator.Valid(); iterator.Next())
            entries.Add((iterator.Key(), iterator.Value()));
        // The bound is theirs, and the iterator only points to it.
        GC.KeepAlive(options);
        return entries;
    }

    /// <summary>Every key of a family.</summary>
    public void Each(Family family, KeyReader read)
    {
        using var iterator = _database.NewIterator(_families[(int)family]);
        for (iterator.SeekToFirst(); iterator.Valid(); iterator.Next())
            read(iterator.GetKeySpan());
    }

    /// <summary>The last entry that begins with this.</summary>
    public byte[]? Last(Family family, byte[] prefix)
    {
        using var iterator = _database.NewIterator(_families[(int)family]);
        iterator.SeekForPrev([.. prefix, .. (ReadOnlySpan<byte>)[255, 255, 255, 255, 255, 255, 255, 255]]);
        return iterator.Valid() && iterator.GetKeySpan().StartsWith(prefix) ? iterator.Value() : null;
    }

    /// <summary>How many entries begin with this, up to a bound.</summary>
    public int Count(Family family, ReadOnlySpan<byte> prefix, int most) => Count(family, prefix, prefix, default, most);

    /// <summary>How many of them lie at or behind <paramref name="from"/> and before <paramref name="until"/> (empty: to their end), up to a bound.</summary>
    public int Count(Family family, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> from, ReadOnlySpan<byte> until, int most)
    {
        var count = 0;
        using var iterator = _database.NewIterator(_families[(int)family]);
        for (iterator.Seek(from); count < most && iterator.Valid(); iterator.Next())
        {
            var key = iterator.GetKeySpan();
            if (!key.StartsWith(prefix) || (!until.IsEmpty && key.SequenceCompareTo(until) >= 0))
                break;
            count++;
        }
        return count;
    }

    public long? LastPosition() => Get(Family.Meta, StoreKeys.PositionKey) is { Length: sizeof(long) } bytes ? StoreKeys.Position(bytes) : null;

    public Operation? Operation(OperationId id, out bool damaged)
    {
        Span<byte> key = stackalloc byte[OperationId.Length];
        id.Write(key);
        var bytes = Get(Family.Operations, key);
        var operation = bytes is null ? null : OperationFormat.Read(bytes);
        damaged = bytes is not null && operation is null;
        return operation;
    }

    public void Dispose()
    {
        if (Interlocked.Add(ref _leases, int.MinValue) != int.MinValue)
            _unused.Wait();
        _database.Dispose();
        _unused.Dispose();
    }

    private unsafe long Property(string name)
    {
        ulong value = 0;
        return Native.Instance.rocksdb_property_int(_database.Handle, name, (IntPtr)(&value)) == 0 ? (long)value : 0;
    }
}
