using System.Buffers.Binary;

namespace Malha.Delivery.Log;

/// <summary>
/// The highest sequences that were acknowledged, kept outside RocksDB, so that a log that ends too early is seen to. Two numbers, since they promise different things:
/// <c>written</c> (acks <c>leader</c>: must be there unless the machine went down, which the kernel's boot id tells) and <c>synced</c> (acks <c>all</c>: must be there).
/// <para>
/// Each number has two slots of a sector, written in turn: a torn write leaves the one before. Slots are overwritten in place in a file that has its blocks, so a
/// full disk does not stop them. The bytes reach the operating system before the acknowledgement leaves, and the disk with the next sync: after a power failure <c>synced</c> may be
/// the one before the last, never one too high.
/// </para>
/// </summary>
internal sealed class AckMarker : IDisposable
{
    public const string FileName = "acknowledged";

    private const int SlotBytes = 512;
    private const int Written = 0;
    private const int Synced = 1;
    private const int BootBytes = 16;
    private const int CheckAt = 8 + 8 + 8 + BootBytes;
    private const ushort Version = 1;
    private static readonly byte[] Magic = "MalhaA"u8.ToArray();

    private readonly Microsoft.Win32.SafeHandles.SafeFileHandle _file;
    private readonly byte[] _boot;
    // One buffer for each number: the writer's and the syncer's thread each write their own.
    private readonly byte[][] _slots = [new byte[SlotBytes], new byte[SlotBytes]];
    private readonly ulong[] _turns = new ulong[2];
    private readonly ulong[] _sequences = new ulong[2];

    private AckMarker(string path, byte[] boot, ReadOnlySpan<ulong> sequences)
    {
        _boot = boot;
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        for (var number = Written; number <= Synced; number++)
        {
            Set(number, sequences[number]);
            Set(number, sequences[number]);
        }
        RandomAccess.FlushToDisk(_file);
    }

    public ulong WrittenSequence => Volatile.Read(ref _sequences[Written]);

    public ulong SyncedSequence => Volatile.Read(ref _sequences[Synced]);

    /// <summary>The running system's id: another one means that what was not synced may be gone.</summary>
    public static byte[] CurrentBoot()
    {
        const string source = "/proc/sys/kernel/random/boot_id";
        return File.Exists(source) && Guid.TryParse(File.ReadAllText(source).Trim(), out var boot) ? boot.ToByteArray() : new byte[BootBytes];
    }

    /// <summary>What a marker says without opening it; null: there is none, or no slot of a number is whole (then <paramref name="damaged"/>).</summary>
    public static AckMarkerState? Read(string path, out bool damaged)
    {
        damaged = false;
        if (!File.Exists(path))
            return null;

        var bytes = File.ReadAllBytes(path);
        var states = new (ulong Turn, ulong Sequence, byte[] Boot)?[2];
        for (var slot = 0; slot < 4 && (slot + 1) * SlotBytes <= bytes.Length; slot++)
        {
            if (ReadSlot(bytes.AsSpan(slot * SlotBytes, SlotBytes)) is { } whole && (states[slot / 2] is not { } other || whole.Turn > other.Turn))
                states[slot / 2] = whole;
        }
        damaged = states[Written] is null || states[Synced] is null;
        return damaged ? null : new AckMarkerState(states[Written]!.Value.Sequence, states[Synced]!.Value.Sequence, states[Written]!.Value.Boot);
    }

    /// <summary>Writes both numbers anew and syncs them.</summary>
    public static AckMarker Create(string path, ulong written, ulong synced, byte[]? boot = null) => new(path, boot ?? CurrentBoot(), [written, synced]);

    public void AcknowledgeWritten(ulong sequence) => Set(Written, sequence);

    public void AcknowledgeSynced(ulong sequence) => Set(Synced, sequence);

    public void Sync() => RandomAccess.FlushToDisk(_file);

    public void Dispose() => _file.Dispose();

    private void Set(int number, ulong sequence)
    {
        var slot = _slots[number].AsSpan();
        var turn = ++_turns[number];
        Magic.CopyTo(slot);
        BinaryPrimitives.WriteUInt16LittleEndian(slot[6..], Version);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[8..], turn);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[16..], sequence);
        _boot.CopyTo(slot[24..]);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[CheckAt..], Check(slot[..CheckAt]));
        RandomAccess.Write(_file, slot, (2 * number + (long)(turn & 1)) * SlotBytes);
        Volatile.Write(ref _sequences[number], sequence);
    }

    private static (ulong Turn, ulong Sequence, byte[] Boot)? ReadSlot(ReadOnlySpan<byte> slot)
    {
        var good = slot.StartsWith(Magic) && BinaryPrimitives.ReadUInt16LittleEndian(slot[6..]) <= Version + 1
            && BinaryPrimitives.ReadUInt32LittleEndian(slot[CheckAt..]) == Check(slot[..CheckAt]);
        return good
            ? (BinaryPrimitives.ReadUInt64LittleEndian(slot[8..]), BinaryPrimitives.ReadUInt64LittleEndian(slot[16..]), slot.Slice(24, BootBytes).ToArray())
            : null;
    }

    private static uint Check(ReadOnlySpan<byte> bytes) => Wal.Crc32C.Of(bytes);
}

/// <summary>What a marker says.</summary>
internal sealed record AckMarkerState(ulong Written, ulong Synced, byte[] Boot)
{
    /// <summary>Up to here the log must be whole.</summary>
    public ulong Required(ReadOnlySpan<byte> boot)
    {
        var sameBoot = boot.ContainsAnyExcept((byte)0) && boot.SequenceEqual(Boot);
        return sameBoot ? Math.Max(Written, Synced) : Synced;
    }
}
