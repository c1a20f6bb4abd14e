using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>
/// Writes protobuf into a buffer that it keeps from one message to the next. A nested message's length is not known before its end: four bytes
/// are left for it, and a varint may be as long as that.
/// </summary>
internal sealed class ProtobufWriter
{
    private const int LengthBytes = 4;

    private byte[] _buffer = new byte[16 * 1024];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, Length);

    public void Clear() => Length = 0;

    /// <summary>Leaves bytes before the message, for whoever frames it.</summary>
    public Span<byte> Reserve(int count)
    {
        return Take(count);
    }

    /// <summary>The bytes from a place on.</summary>
    public Span<byte> From(int at) => _buffer.AsSpan(at, Length - at);

    public int Begin(int field)
    {
        Tag(field, 2);
        Take(LengthBytes);
        return Length - LengthBytes;
    }

    public void End(int begun)
    {
        var length = Length - begun - LengthBytes;
        for (var at = 0; at < LengthBytes; at++)
        {
            _buffer[begun + at] = (byte)((length & 0x7F) | (at < LengthBytes - 1 ? 0x80 : 0));
            length >>= 7;
        }
    }

    public void Varint(int field, ulong value)
    {
        Tag(field, 0);
        Raw(value);
    }

    public void Fixed64(int field, ulong value)
    {
        Tag(field, 1);
        BinaryPrimitives.WriteUInt64LittleEndian(Take(sizeof(ulong)), value);
    }

    public void Fixed32(int field, uint value)
    {
        Tag(field, 5);
        BinaryPrimitives.WriteUInt32LittleEndian(Take(sizeof(uint)), value);
    }

    public void Double(int field, double value) => Fixed64(field, BitConverter.DoubleToUInt64Bits(value));

    public void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Tag(field, 2);
        Raw((ulong)value.Length);
        value.CopyTo(Take(value.Length));
    }

    public void Text(int field, string value)
    {
        Tag(field, 2);
        var length = Encoding.UTF8.GetByteCount(value);
        Raw((ulong)length);
        Encoding.UTF8.GetBytes(value, Take(length));
    }

    /// <summary>A text of which it is not known whether it is UTF-8, as a protobuf string must be: what is not becomes the replacement character.</summary>
    public void Text(int field, ReadOnlySpan<byte> value)
    {
        if (System.Text.Unicode.Utf8.IsValid(value))
            Bytes(field, value);
        else
            Text(field, Encoding.UTF8.GetString(value));
    }

    private void Tag(int field, int type) => Raw((ulong)((field << 3) | type));

    private void Raw(ulong value)
    {
        while (value >= 0x80)
        {
            Take(1)[0] = (byte)(value | 0x80);
            value >>= 7;
        }
        Take(1)[0] = (byte)value;
    }

    // What it returns is good until the next call: the buffer may then be another.
    private Span<byte> Take(int count)
    {
        var at = Length;
        if (at + count > _buffer.Length)
            Array.Resize(ref _buffer, (int)BitOperations.RoundUpToPowerOf2((uint)(at + count)));
        Length = at + count;
        return _buffer.AsSpan(at, count);
    }
}
