using System.Buffers.Binary;

namespace Malha.Delivery.Log.Wal;

/// <summary>A batch in a write-ahead log: where it lies and which sequences are its own.</summary>
/// <param name="File">Number of the file.</param>
/// <param name="Start">Its first byte, that of its first record's header.</param>
/// <param name="End">The byte after its last.</param>
/// <param name="First">Its first sequence.</param>
/// <param name="Count">How many it has.</param>
/// <param name="Content">As RocksDB took it, when asked for.</param>
internal sealed record WalBatch(ulong File, long Start, long End, ulong First, uint Count, byte[]? Content)
{
    public ulong Last => First + Count - 1;
}

/// <summary>Bytes that are no whole batch. <see cref="End"/> is where reading could go on, or the file's length.</summary>
/// <param name="File">Number of the file.</param>
/// <param name="Start">First byte.</param>
/// <param name="End">Byte after the last.</param>
/// <param name="Why">For the operator.</param>
/// <param name="Torn">A record that the file ends within, as after a write that was cut short.</param>
internal sealed record WalDamage(ulong File, long Start, long End, string Why, bool Torn = false);

/// <summary>What one file has, in order.</summary>
internal sealed record WalContents(IReadOnlyList<WalBatch> Batches, IReadOnlyList<WalDamage> Damages);

/// <summary>
/// Reads RocksDB's write-ahead log on its own account, so that RocksDB itself only ever reads whole ones: some damage looks to it like the end of the log, what is behind a
/// damaged block it does not look for, and on some flipped bytes its reader (11.12) goes round for ever.
/// <para>
/// The format: blocks of 32 KiB; records of a masked CRC-32C (4 bytes, over type and payload), a length (2) and a type (1), then the payload; a batch is one whole record, or
/// a first, any number of middle ones and a last; less than a header's room at a block's end is padding. A payload begins with the batch's sequence (8) and count (4).
/// We never recycle files, so the types of recycled records are damage here.
/// </para>
/// </summary>
internal ref struct WalFile
{
    private const int BlockBytes = 32 * 1024;
    private const int HeaderBytes = 7;
    private const int BatchHeaderBytes = 12;
    private const uint MaskDelta = 0xa282ead8;

    private const byte Whole = 1;
    private const byte First = 2;
    private const byte Middle = 3;
    private const byte Last = 4;
    // What describes the file and not its content: compression, timestamps, the file before it. 128 and above may be passed over by any reader.
    private const byte FirstDescribing = 9;

    private readonly ReadOnlySpan<byte> _file;
    private readonly ulong _number;
    private readonly bool _withContent;
    private readonly bool _recordsOnly;
    private readonly List<WalBatch> _batches = [];
    private readonly List<WalDamage> _damages = [];
    private readonly List<byte> _content = [];
    private long _started = -1;

    private WalFile(ReadOnlySpan<byte> file, ulong number, bool withContent, bool recordsOnly)
    {
        _file = file;
        (_number, _withContent, _recordsOnly) = (number, withContent, recordsOnly);
    }

    public static WalContents Read(ReadOnlySpan<byte> file, ulong number, bool withContent = false)
    {
        var reader = new WalFile(file, number, withContent, recordsOnly: false);
        reader.ReadAll();
        return new WalContents(reader._batches, reader._damages);
    }

    /// <summary>A file of the same shape that holds something else than batches: RocksDB's manifest.</summary>
    public static IReadOnlyList<WalDamage> Check(ReadOnlySpan<byte> file)
    {
        var reader = new WalFile(file, 0, withContent: false, recordsOnly: true);
        reader.ReadAll();
        return reader._damages;
    }

    private void ReadAll()
    {
        var at = 0;
        while (at < _file.Length)
        {
            var left = BlockBytes - at % BlockBytes;
            if (left < HeaderBytes)
                at += left;
            else if (Record(at) is { } length)
                at += Take(at, _file[at + 6], _file.Slice(at + HeaderBytes, length));
            else
                at = Resume(at);
        }
        if (_started >= 0)
            Damage(_started, _file.Length, "ends within a batch", torn: true);
    }

    // Length of the payload of a record that is whole.
    private readonly int? Record(int at)
    {
        var end = Math.Min(_file.Length, at - at % BlockBytes + BlockBytes);
        if (at + HeaderBytes > end)
            return null;
        var length = BinaryPrimitives.ReadUInt16LittleEndian(_file[(at + 4)..]);
        if (at + HeaderBytes + length > end)
            return null;
        return Masked(Crc32C.Of(_file[at + 6], _file.Slice(at + HeaderBytes, length))) == BinaryPrimitives.ReadUInt32LittleEndian(_file[at..]) ? length : null;
    }

    private static uint Masked(uint check) => ((check >> 15) | (check << 17)) + MaskDelta;

    private int Take(int at, byte type, ReadOnlySpan<byte> payload)
    {
        var end = at + HeaderBytes + payload.Length;
        if (type is Whole or First)
        {
            if (_started >= 0)
                Damage(_started, at, "a batch that does not end");
            _started = at;
            _content.Clear();
        }
        else if (type is Middle or Last && _started < 0)
        {
            Damage(at, end, "a batch that does not begin");
        }
        else if (type is not (Middle or Last) && type < FirstDescribing)
        {
            Damage(at, end, "an unknown type of record");
            _started = -1;
        }

        if (_started < 0 || type > Last)
            return end - at;
        _content.AddRange(payload);
        if (type is Whole or Last)
            Finish(end);
        return end - at;
    }

    private void Finish(int end)
    {
        var header = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_content);
        if (_recordsOnly)
        {
            _started = -1;
            return;
        }
        if (header.Length < BatchHeaderBytes)
        {
            Damage(_started, end, "a batch without a header");
        }
        else
        {
            var first = BinaryPrimitives.ReadUInt64LittleEndian(header);
            var count = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
            _batches.Add(new WalBatch(_number, _started, end, first, count, _withContent ? [.. header] : null));
        }
        _started = -1;
    }

    // A length that was not damaged leads to the next record. One that was is found again by the check sum, when that is all that was. Otherwise the next block begins with a
    // record. Looking for anything that resembles one would find those that a client wrote into a body.
    private int Resume(int at)
    {
        var block = at - at % BlockBytes + BlockBytes;
        var next = Math.Min(block, _file.Length);
        if (at + HeaderBytes <= next)
        {
            var behind = at + HeaderBytes + BinaryPrimitives.ReadUInt16LittleEndian(_file[(at + 4)..]);
            if (behind < next && Record(behind) is not null)
                next = behind;
            else if (EndByCheckSum(at, next) is { } end)
                next = end;
        }
        var torn = next == _file.Length && (at + HeaderBytes > next || at + HeaderBytes + BinaryPrimitives.ReadUInt16LittleEndian(_file[(at + 4)..]) > next);
        Damage(_started >= 0 ? _started : at, next, "bytes that do not match their check sum", torn);
        _started = -1;
        return next;
    }

    private readonly int? EndByCheckSum(int at, int limit)
    {
        var wanted = BinaryPrimitives.ReadUInt32LittleEndian(_file[at..]);
        var check = Crc32C.Begin(_file[at + 6]);
        for (var end = at + HeaderBytes; end <= limit; end++)
        {
            if (Masked(~check) == wanted)
                return end;
            if (end < limit)
                check = Crc32C.Continue(check, _file[end]);
        }
        return null;
    }

    private readonly void Damage(long start, long end, string why, bool torn = false)
    {
        // Neighbours are one.
        if (_damages.Count > 0 && _damages[^1].End == start)
            _damages[^1] = _damages[^1] with { End = end, Torn = torn };
        else
            _damages.Add(new WalDamage(_number, start, end, why, torn));
    }
}
