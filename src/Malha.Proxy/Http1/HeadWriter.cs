using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Text;

namespace Malha.Proxy.Http1;

/// <summary>Writes a head into a buffer that its caller has made large enough.</summary>
internal ref struct HeadWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;

    public int Length { get; private set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write(scoped ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer[Length..]);
        Length += bytes.Length;
    }

    /// <summary>Text whose characters are bytes (Latin-1).</summary>
    public void Write(string text) => Length += System.Text.Encoding.Latin1.GetBytes(text, _buffer[Length..]);

    public void Write(byte value) => _buffer[Length++] = value;

    public void Write(long number)
    {
        Utf8Formatter.TryFormat(number, _buffer[Length..], out var written);
        Length += written;
    }

    /// <summary>Text that is known to be ASCII.</summary>
    public void WriteAscii(scoped ReadOnlySpan<char> text)
    {
        Ascii.FromUtf16(text, _buffer[Length..], out var written);
        Length += written;
    }

    public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
    {
        Write(name);
        Write(": "u8);
        Write(value);
        Write("\r\n"u8);
    }

    /// <summary>A field whose parts are written one by one ends like this.</summary>
    public void EndLine() => Write("\r\n"u8);
}
