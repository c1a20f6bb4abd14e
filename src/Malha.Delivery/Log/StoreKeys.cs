using System.Buffers.Binary;
using System.Text;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Log;

/// <summary>The parts of the store. Names and order of the bytes are on disk: new families are appended, none is renamed.</summary>
internal enum Family
{
    /// <summary>The format's version and the last position.</summary>
    Meta,

    /// <summary>id → operation.</summary>
    Operations,

    /// <summary>id → the request's body.</summary>
    Bodies,

    /// <summary>id → the server's answer.</summary>
    Answers,

    /// <summary>lane, position → id: what waits, in the order of acceptance.</summary>
    Lanes,

    /// <summary>lane, key, position → id: what waits, in the order of acceptance of its key.</summary>
    Keys,

    /// <summary>What is to be done when, see <see cref="DueKind"/> → id.</summary>
    Due,

    /// <summary>hash of caller and Idempotency-Key → id and hash of the payload.</summary>
    Deduplication,

    /// <summary>lane, time of death, position → id.</summary>
    Dead,

    /// <summary>owner, whether it waits no more, position → id.</summary>
    Owners,
}

/// <summary>What falls due. The numbers are on disk.</summary>
internal enum DueKind : byte
{
    /// <summary>lane, time: an operation may be tried. None of those that wait behind others of their key.</summary>
    Attempt = 1,

    /// <summary>time: an operation that still waits expires.</summary>
    Expiry = 2,

    /// <summary>time: an operation that is finished is forgotten.</summary>
    Forget = 3,

    /// <summary>host, time: the end of an operation is told.</summary>
    Callback = 4,
}

/// <summary>
/// The entries by which an operation is found, all derived from it: a change removes those of the old state and adds those of the new one in the same batch, and
/// <see cref="LogRecovery"/> can write them anew. Numbers are big-endian, so that byte order is their order; texts carry their length in front, so that no text is the
/// beginning of another entry.
/// </summary>
internal static class StoreKeys
{
    public static readonly byte[] FormatKey = "format"u8.ToArray();
    public static readonly byte[] PositionKey = "position"u8.ToArray();
    public static readonly byte[] NoteKey = "note"u8.ToArray();

    private const int Number = sizeof(long);

    public static byte[] Lane(string lane, long position) => [.. Text(lane), .. Big(position)];

    public static byte[] LaneStart(string lane) => Text(lane);

    public static byte[] Key(string lane, string key, long position) => [.. KeyStart(lane, key), .. Big(position)];

    public static byte[] KeyStart(string lane, string key) => [.. Text(lane), .. Text(key)];

    public static byte[] Attempt(string lane, DateTimeOffset due, long position) => [.. AttemptStart(lane), .. Time(due), .. Big(position)];

    public static byte[] AttemptStart(string lane) => [(byte)DueKind.Attempt, .. Text(lane)];

    public static byte[] Callback(string host, DateTimeOffset due, long position) => [.. CallbackStart(host), .. Time(due), .. Big(position)];

    public static byte[] CallbackStart(string host) => [(byte)DueKind.Callback, .. Text(host)];

    public static byte[] Due(DueKind kind, DateTimeOffset due, long position) => [(byte)kind, .. Time(due), .. Big(position)];

    public static byte[] Dead(string lane, DateTimeOffset died, long position) => [.. Text(lane), .. Time(died), .. Big(position)];

    public static byte[] Owner(string owner, bool waits, long position) => [.. OwnerStart(owner, waits), .. Big(position)];

    public static byte[] OwnerStart(string owner, bool waits) => [.. Text(owner), waits ? (byte)0 : (byte)1];

    public static byte[] Time(DateTimeOffset time) => Big(time.ToUnixTimeMilliseconds());

    /// <summary>The position or time in an entry's last bytes.</summary>
    public static long Position(ReadOnlySpan<byte> key) => BinaryPrimitives.ReadInt64BigEndian(key[^Number..]);

    /// <summary>False: lane, key or owner is too long to be stored.</summary>
    public static bool Fit(Operation operation) =>
        Encoding.UTF8.GetByteCount(operation.Lane) is > 0 and <= OperationLimits.LaneBytes && Encoding.UTF8.GetByteCount(operation.Key) <= OperationLimits.KeyBytes
        && Encoding.UTF8.GetByteCount(operation.Owner) <= OperationLimits.OwnerBytes;

    /// <summary>Every entry that this operation, as it stands, is to be found by, except its deduplication.</summary>
    public static void Entries(Operation operation, List<(Family Family, byte[] Key)> entries)
    {
        entries.Add((Family.Owners, Owner(operation.Owner, operation.State == OperationState.Waiting, operation.Position)));
        if (operation.State == OperationState.Waiting)
        {
            entries.Add((Family.Lanes, Lane(operation.Lane, operation.Position)));
            if (operation.Key.Length > 0)
                entries.Add((Family.Keys, Key(operation.Lane, operation.Key, operation.Position)));
            if (!operation.IsBehind)
                entries.Add((Family.Due, Attempt(operation.Lane, operation.Due, operation.Position)));
            if (operation.Expires is { } expires)
                entries.Add((Family.Due, Due(DueKind.Expiry, expires, operation.Position)));
            return;
        }
        if (operation.State == OperationState.Dead)
            entries.Add((Family.Dead, Dead(operation.Lane, operation.Finished ?? operation.Due, operation.Position)));
        if (operation is { CallbackState: CallbackState.Pending, CallbackDue: { } told })
            entries.Add((Family.Due, Callback(Callbacks.CallbackMessage.HostOf(operation), told, operation.Position)));
        if (operation.Forget is { } forget)
            entries.Add((Family.Due, Due(DueKind.Forget, forget, operation.Position)));
    }

    private static byte[] Text(string text)
    {
        var bytes = new byte[sizeof(ushort) + Encoding.UTF8.GetByteCount(text)];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)(bytes.Length - sizeof(ushort)));
        Encoding.UTF8.GetBytes(text, bytes.AsSpan(sizeof(ushort)));
        return bytes;
    }

    public static byte[] Big(long number)
    {
        var bytes = new byte[Number];
        BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        return bytes;
    }
}
