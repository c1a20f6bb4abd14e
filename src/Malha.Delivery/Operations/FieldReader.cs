using System.Text;

namespace Malha.Delivery.Operations;

/// <summary>Reads what <see cref="FieldWriter"/> wrote. Bad bytes end it with <see cref="Malformed"/>: they are a value, not an exception.</summary>
internal ref struct FieldReader
{
    private ReadOnlySpan<byte> _rest;
    private ReadOnlySpan<byte> _field;

    public FieldReader(ReadOnlySpan<byte> record)
    {
        Malformed = record.IsEmpty;
        Version = Malformed ? (byte)0 : record[0];
        _rest = Malformed ? default : record[1..];
    }

    public byte Version { get; }

    public bool Malformed { get; private set; }

    public int Tag { get; private set; }

    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>The current field with its tag and length.</summary>
    public readonly ReadOnlySpan<byte> Field => _field;

    public bool Next()
    {
        if (Malformed || _rest.IsEmpty)
            return false;
        var start = _rest;
        if (!TryInteger(ref _rest, out var tag) || tag > int.MaxValue || !TryInteger(ref _rest, out var length) || length > (ulong)_rest.Length)
        {
            Malformed = true;
            return false;
        }
        Tag = (int)tag;
        Value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        _field = start[..(start.Length - _rest.Length)];
        return true;
    }

    public readonly string Text() => Encoding.UTF8.GetString(Value);

    public long Number()
    {
        var value = Value;
        if (TryInteger(ref value, out var number) && value.IsEmpty)
            return (long)number;
        Malformed = true;
        return 0;
    }

    public HeaderField Header()
    {
        var value = Value;
        if (TryInteger(ref value, out var name) && name <= (ulong)value.Length)
            return new HeaderField(Encoding.UTF8.GetString(value[..(int)name]), Encoding.UTF8.GetString(value[(int)name..]));
        Malformed = true;
        return default;
    }

    private static bool TryInteger(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (var index = 0; index < bytes.Length && index < 10; index++)
        {
            value |= (ulong)(bytes[index] & 0x7f) << (7 * index);
            if (bytes[index] >= 0x80)
                continue;
            bytes = bytes[(index + 1)..];
            return true;
        }
        return false;
    }
}
