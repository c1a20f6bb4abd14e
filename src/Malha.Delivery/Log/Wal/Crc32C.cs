using System.Buffers.Binary;
using System.Numerics;

namespace Malha.Delivery.Log.Wal;

/// <summary>CRC-32C (Castagnoli), in hardware where there is some.</summary>
internal static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Continue(uint.MaxValue, bytes);

    /// <summary>Over a first byte and what follows it.</summary>
    public static uint Of(byte first, ReadOnlySpan<byte> rest) => ~Continue(BitOperations.Crc32C(uint.MaxValue, first), rest);

    /// <summary>Grows a byte at a time, from <see cref="Begin"/>; what it is so far is its complement.</summary>
    public static uint Continue(uint crc, byte next) => BitOperations.Crc32C(crc, next);

    public static uint Begin(byte first) => BitOperations.Crc32C(uint.MaxValue, first);

    private static uint Continue(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var value in bytes)
            crc = BitOperations.Crc32C(crc, value);
        return crc;
    }
}
