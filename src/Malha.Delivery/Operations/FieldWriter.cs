using System.Buffers;
using System.Text;

namespace Malha.Delivery.Operations;

/// <summary>
/// The shape of every record on disk: one byte of version, then fields, each a tag, a length and that many bytes, the first two as variable-length integers (seven bits a
/// byte, lowest first). A reader passes over tags that it does not know. Empty and zero values are not written.
/// </summary>
internal sealed class FieldWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(512);

    public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    public void Begin(byte version)
    {
        _buffer.ResetWrittenCount();
        _buffer.Write([version]);
    }

    public void Bytes(int tag, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return;
        Integer((ulong)tag);
        Integer((ulong)value.Length);
        _buffer.Write(value);
    }

    public void Text(int tag, string value)
    {
        if (value.Length == 0)
            return;
        Integer((ulong)tag);
        Integer((ulong)Encoding.UTF8.GetByteCount(value));
        Encoding.UTF8.GetBytes(value, _buffer);
    }

    public void Number(int tag, long value)
    {
        if (value == 0)
            return;
        Integer((ulong)tag);
        Integer((ulong)IntegerLength((ulong)value));
        Integer((ulong)value);
    }

    public void Header(int tag, HeaderField header)
    {
        var name = Encoding.UTF8.GetByteCount(header.Name);
        Integer((ulong)tag);
        Integer((ulong)(IntegerLength((ulong)name) + name + Encoding.UTF8.GetByteCount(header.Value)));
        Integer((ulong)name);
        Encoding.UTF8.GetBytes(header.Name, _buffer);
        Encoding.UTF8.GetBytes(header.Value, _buffer);
    }

    /// <summary>Fields as another version wrote them.</summary>
    public void Raw(ReadOnlySpan<byte> fields) => _buffer.Write(fields);

    private void Integer(ulong value)
    {
        Span<byte> bytes = stackalloc byte[10];
        var length = 0;
        for (; value >= 0x80; value >>= 7)
            bytes[length++] = (byte)(value | 0x80);
        bytes[length++] = (byte)value;
        _buffer.Write(bytes[..length]);
    }

    private static int IntegerLength(ulong value)
    {
        var length = 1;
        for (; value >= 0x80; value >>= 7)
            length++;
        return length;
    }
}
