using System.Buffers.Binary;
using System.Text;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Log;

/// <summary>An entry of an order: what it is about, its position, and itself, to go on behind it.</summary>
internal sealed record LogEntry(OperationId Id, long Position, byte[] Key)
{
    /// <summary>Where a dead letter is.</summary>
    public static LogEntry OfDead(Operation dead) => new(dead.Id, dead.Position, StoreKeys.Dead(dead.Lane, dead.Finished ?? dead.Due, dead.Position));
}

/// <summary>An entry of what falls due, and when.</summary>
internal readonly record struct DueEntry(OperationId Id, DateTimeOffset At);

/// <summary>Reads along the store's orders.</summary>
internal static class LogReads
{
    public static IReadOnlyList<LogEntry> Entries(Store store, Family family, ReadOnlySpan<byte> from, ReadOnlySpan<byte> prefix, int count) =>
        [.. store.Scan(family, from, prefix, count).Select(entry => new LogEntry(OperationId.Read(entry.Value), StoreKeys.Position(entry.Key), entry.Key))];

    /// <summary>Entries of a prefix that is followed by a time and a position, from one time to another, both among them.</summary>
    public static IReadOnlyList<DueEntry> Due(Store store, byte[] prefix, DateTimeOffset from, DateTimeOffset until, int count) =>
        [.. store.Between(Family.Due, [.. prefix, .. StoreKeys.Time(from)], [.. prefix, .. StoreKeys.Time(until.AddMilliseconds(1))], count)
            .Select(entry => new DueEntry(OperationId.Read(entry.Value), DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(entry.Key.AsSpan(prefix.Length)))))];

    /// <summary>The first entry of each lane, and from there over the rest of it.</summary>
    public static IReadOnlyList<string> Lanes(Store store, Family family)
    {
        var lanes = new List<string>();
        byte[] from = [];
        while (store.Scan(family, from, [], 1) is [var (key, _)])
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(key);
            lanes.Add(Encoding.UTF8.GetString(key, sizeof(ushort), length));
            // Behind all that begins with it, whatever follows there.
            from = [.. StoreKeys.LaneStart(lanes[^1]), .. (ReadOnlySpan<byte>)[255, 255, 255, 255, 255, 255, 255, 255, 255]];
        }
        return lanes;
    }

    /// <summary>The hosts to which anything is to be told: the first entry of each, and from there over the rest of it.</summary>
    public static IReadOnlyList<string> CallbackHosts(Store store)
    {
        var hosts = new List<string>();
        byte[] from = [(byte)DueKind.Callback];
        while (store.Scan(Family.Due, from, [(byte)DueKind.Callback], 1) is [var (key, _)])
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(key.AsSpan(1));
            hosts.Add(Encoding.UTF8.GetString(key, 1 + sizeof(ushort), length));
            from = [.. StoreKeys.CallbackStart(hosts[^1]), .. (ReadOnlySpan<byte>)[255, 255, 255, 255, 255, 255, 255, 255, 255]];
        }
        return hosts;
    }
}
