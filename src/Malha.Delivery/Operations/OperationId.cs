using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Malha.Delivery.Operations;

/// <summary>
/// Names an operation for its whole life, on disk, in Kafka and in the address that the client was given: 16 bytes, written as 32 hexadecimal digits. The first six are the
/// milliseconds of its creation, so that neighbours in time are neighbours on disk; the other ten are chance, so that nobody finds another's by counting.
/// </summary>
internal readonly record struct OperationId(UInt128 Value)
{
    public const int Length = 16;

    private const int TimeBytes = 6;

    /// <summary>The end of the year 9999: more is no time.</summary>
    private const long LatestMs = 253_402_300_799_999;

    /// <summary>When it was given, by the clock of whoever gave it; who made one up may have chosen any time.</summary>
    public DateTimeOffset Created => DateTimeOffset.FromUnixTimeMilliseconds(Math.Min((long)(Value >> (8 * (Length - TimeBytes))), LatestMs));

    public static OperationId New(DateTimeOffset now, RandomNumberGenerator chance)
    {
        Span<byte> bytes = stackalloc byte[Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, (ulong)now.ToUnixTimeMilliseconds() << 16);
        chance.GetBytes(bytes[TimeBytes..]);
        return Read(bytes);
    }

    public static OperationId Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    public void Write(Span<byte> bytes) => BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);

    public byte[] ToArray()
    {
        var bytes = new byte[Length];
        Write(bytes);
        return bytes;
    }

    public static bool TryParse(ReadOnlySpan<char> text, out OperationId id)
    {
        var value = UInt128.Zero;
        var good = text.Length == 2 * Length && UInt128.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
        id = new OperationId(value);
        return good;
    }

    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);
}
