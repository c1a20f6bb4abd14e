using System.Buffers.Binary;
using System.Text;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Log;

/// <summary>An entry of an order: what it is about, its position, and itself, to go on behind it.</summary>
internal sealed record LogEntry(OperationId Id, long Position, byte[] Key);

/// <summary>Reads along the store's orders.</summary>
internal static class LogReads
{
    public static IReadOnlyList<LogEntry> Entries(Store store, Family family, ReadOnlySpan<byte> from, ReadOnlySpan<byte> prefix, int count) =>
        [.. store.Scan(family, from, prefix, count).Select(entry => new LogEntry(OperationId.Read(entry.Value), StoreKeys.Position(entry.Key), entry.Key))];

    /// <summary>Entries of a prefix that is followed by a time and a position, as far as the time has come.</summary>
    public static IReadOnlyList<LogEntry> Until(Store store, byte[] prefix, DateTimeOffset now, int count) =>
        [.. Entries(store, Family.Due, prefix, prefix, count)
            .TakeWhile(entry => BinaryPrimitives.ReadInt64BigEndian(entry.Key.AsSpan(prefix.Length)) <= now.ToUnixTimeMilliseconds())];

    /// <summary>When the first entry of a prefix that is followed by a time falls due; null: none is there.</summary>
    public static DateTimeOffset? First(Store store, byte[] prefix) => store.Scan(Family.Due, prefix, prefix, 1) is [var (key, _)]
        ? DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(key.AsSpan(prefix.Length)))
        : null;

    /// <summary>The first entry of each lane, and from there over the rest of it.</summary>
    public static IReadOnlyList<string> Lanes(Store store)
    {
        var lanes = new List<string>();
        byte[] from = [];
        while (store.Scan(Family.Lanes, from, [], 1) is [var (key, _)])
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(key);
            lanes.Add(Encoding.UTF8.GetString(key, sizeof(ushort), length));
            from = StoreKeys.Lane(lanes[^1], long.MaxValue);
        }
        return lanes;
    }
}
