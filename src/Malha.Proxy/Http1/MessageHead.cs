using System.Runtime.CompilerServices;

namespace Malha.Proxy.Http1;

/// <summary>A stretch of a head's bytes, counted from the head's first byte, so that it stays true when the buffer moves.</summary>
internal readonly record struct Slice(int Start, int Length)
{
    public int End => Start + Length;

    public bool IsEmpty => Length == 0;
}

/// <summary>One field line.</summary>
internal readonly record struct HeaderField(Slice Name, Slice Value, KnownHeader Known);

/// <summary>
/// A parsed head: slices over the bytes as they came, no copy and no string. Valid until its owner reuses the buffer, which is
/// after the exchange; reused itself from message to message.
/// </summary>
internal abstract class MessageHead
{
    private byte[] _buffer = [];
    private int _offset;
    private HeaderField[] _fields = new HeaderField[24];

    /// <summary>Bytes parsed so far; the whole head's length when parsing is complete.</summary>
    public int Position { get; set; }

    public bool StartLineDone { get; set; }

    public int Count { get; private set; }

    /// <summary>Bits of the known headers that are present.</summary>
    public ulong Present { get; private set; }

    public HttpFault Fault { get; set; }

    /// <summary>1 for HTTP/1.1, 0 for HTTP/1.0.</summary>
    public int MinorVersion { get; set; } = 1;

    /// <summary>Whether it came over HTTP/2, and was written down as HTTP/1.1 says it.</summary>
    public bool IsHttp2 { get; set; }

    /// <summary>The version that it came in, as Via tells it (RFC 9110, 7.6.3).</summary>
    public ReadOnlySpan<byte> ViaVersion => IsHttp2 ? "2.0"u8 : MinorVersion == 1 ? "1.1"u8 : "1.0"u8;

    /// <summary>The length of the body that the head announces; -1 when it announces none.</summary>
    public long ContentLength { get; set; } = -1;

    public bool Chunked { get; set; }

    /// <summary>Whether the sender would keep the connection.</summary>
    public bool KeepAlive { get; set; }

    /// <summary>Whether the Connection header names further fields to drop; rare, and looked up again when it is so.</summary>
    public bool NominatesFields { get; set; }

    public ReadOnlySpan<HeaderField> Fields => _fields.AsSpan(0, Count);

    public bool Has(KnownHeader header) => header.In(Present);

    /// <summary>Says where the bytes lie now.</summary>
    public void Attach(byte[] buffer, int offset)
    {
        _buffer = buffer;
        _offset = offset;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ReadOnlySpan<byte> Bytes(Slice slice) => _buffer.AsSpan(_offset + slice.Start, slice.Length);

    public ReadOnlySpan<byte> Value(KnownHeader header)
    {
        foreach (ref readonly var field in Fields)
        {
            if (field.Known == header)
                return Bytes(field.Value);
        }
        return default;
    }

    /// <summary>The bytes from one place in the head to another: several field lines at once.</summary>
    public ReadOnlySpan<byte> Range(int start, int end) => _buffer.AsSpan(_offset + start, end - start);

    public void Add(Slice name, Slice value, KnownHeader known)
    {
        if (Count == _fields.Length)
            Array.Resize(ref _fields, Count * 2);
        _fields[Count++] = new HeaderField(name, value, known);
        Present |= known.Bit();
    }

    /// <summary>Whether the Connection header names this field as belonging to the connection alone.</summary>
    public bool IsNominated(ReadOnlySpan<byte> name)
    {
        foreach (ref readonly var field in Fields)
        {
            if (field.Known != KnownHeader.Connection)
                continue;
            var list = Bytes(field.Value);
            while (HttpSyntax.NextElement(ref list, out var option))
            {
                if (HttpSyntax.EqualsIgnoreCase(option, name))
                    return true;
            }
        }
        return false;
    }

    public virtual void Reset()
    {
        _buffer = [];
        Position = 0;
        StartLineDone = false;
        Count = 0;
        Present = 0;
        Fault = HttpFault.None;
        MinorVersion = 1;
        IsHttp2 = false;
        ContentLength = -1;
        Chunked = false;
        KeepAlive = false;
        NominatesFields = false;
    }
}
