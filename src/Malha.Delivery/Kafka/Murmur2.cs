using System.Buffers.Binary;

namespace Malha.Delivery.Kafka;

/// <summary>
/// The hash by which Kafka's own producers choose a partition (Austin Appleby's MurmurHash2 with Kafka's seed, sign bit dropped), so that other programs put a key where Malha does. It is computed here and not by
/// librdkafka, since every gateway must know the partition of an operation that it has not sent.
/// </summary>
internal static class Murmur2
{
    private const uint Seed = 0x9747b28c;
    private const uint Multiplier = 0x5bd1e995;
    private const int Shift = 24;

    public static int Partition(ReadOnlySpan<byte> key, int partitions) => (int)(Hash(key) & 0x7fff_ffff) % partitions;

    public static uint Hash(ReadOnlySpan<byte> data)
    {
        var hash = Seed ^ (uint)data.Length;
        while (data.Length >= sizeof(uint))
        {
            var block = BinaryPrimitives.ReadUInt32LittleEndian(data) * Multiplier;
            block ^= block >> Shift;
            hash = (hash * Multiplier) ^ (block * Multiplier);
            data = data[sizeof(uint)..];
        }
        if (data.Length > 0)
        {
            for (var i = data.Length - 1; i >= 0; i--)
                hash ^= (uint)data[i] << (8 * i);
            hash *= Multiplier;
        }
        hash ^= hash >> 13;
        hash *= Multiplier;
        return hash ^ (hash >> 15);
    }
}
