using System.Buffers.Binary;
using System.Net;

namespace Malha.Proxy.Identity;

/// <summary>
/// An IP address as a value that is compared, masked and hashed without an object: 128 bits, of an IPv4 address those of its mapped form
/// (<c>::ffff:a.b.c.d</c>). The default, <c>::</c>, is nobody's.
/// </summary>
internal readonly record struct Ip(UInt128 Bits)
{
    public const int MappedPrefix = 96;

    public bool IsV4 => Bits >> 32 == 0xFFFF;

    /// <summary>Whose address counts as one: IPv4 as it is, of IPv6 the /64, which is the least that a provider gives to one customer.</summary>
    public Ip Scope => IsV4 ? this : new Ip(Bits & (UInt128)ulong.MaxValue << 64);

    public static Ip Of(IPAddress? address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address is null || !address.TryWriteBytes(bytes, out var length))
            return default;
        return length == 4 ? V4(BinaryPrimitives.ReadUInt32BigEndian(bytes)) : new Ip(BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    public static Ip V4(uint bits) => new((UInt128)0xFFFF << 32 | bits);

    /// <summary>Reads the usual text forms (RFC 5952's and what RFC 4291 2.2 allows besides), without zone, brackets or port.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out Ip ip)
    {
        ip = default;
        if (text.Contains((byte)':'))
            return TryParseV6(text, out ip);
        if (!TryParseV4(text, out var bits))
            return false;
        ip = V4(bits);
        return true;
    }

    /// <summary>As forwarding fields have it: an address, with a port or not; an IPv6 address with a port in brackets.</summary>
    public static bool TryParseNode(ReadOnlySpan<byte> text, out Ip ip)
    {
        if (!text.IsEmpty && text[0] == (byte)'[')
        {
            var end = text.IndexOf((byte)']');
            ip = default;
            return end > 0 && IsPort(text[(end + 1)..]) && TryParseV6(text[1..end], out ip);
        }
        var colon = text.IndexOf((byte)':');
        var isOnly = colon >= 0 && text.LastIndexOf((byte)':') == colon;
        if (!isOnly)
            return TryParse(text, out ip);
        ip = default;
        return IsPort(text[colon..]) && TryParse(text[..colon], out ip);
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Bits);
        return new IPAddress(IsV4 ? bytes[12..] : bytes).ToString();
    }

    private static bool IsPort(ReadOnlySpan<byte> text) =>
        text.IsEmpty || (text[0] == (byte)':' && text.Length is > 1 and <= 6 && !text[1..].ContainsAnyExceptInRange((byte)'0', (byte)'9'));

    private static bool TryParseV4(ReadOnlySpan<byte> text, out uint bits)
    {
        bits = 0;
        var octets = 0;
        while (true)
        {
            var dot = text.IndexOf((byte)'.');
            var octet = dot < 0 ? text : text[..dot];
            // No leading zero: some read 010 as eight.
            if (octet.Length is 0 or > 3 || (octet.Length > 1 && octet[0] == (byte)'0') || octet.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
                return false;
            var value = 0u;
            foreach (var digit in octet)
                value = (value * 10) + digit - '0';
            if (value > 255 || ++octets > 4)
                return false;
            bits = bits << 8 | value;
            if (dot < 0)
                return octets == 4;
            text = text[(dot + 1)..];
        }
    }

    private static bool TryParseV6(ReadOnlySpan<byte> text, out Ip ip)
    {
        ip = default;
        UInt128 bits = 0;
        var groups = 0;
        var gapAt = -1;
        if (text.StartsWith("::"u8))
        {
            gapAt = 0;
            text = text[2..];
        }
        while (!text.IsEmpty)
        {
            var colon = text.IndexOf((byte)':');
            var group = colon < 0 ? text : text[..colon];
            if (colon < 0 && group.Contains((byte)'.'))
            {
                if (groups > 6 || !TryParseV4(group, out var v4))
                    return false;
                bits = bits << 32 | v4;
                groups += 2;
                break;
            }
            if (groups == 8 || !TryParseGroup(group, out var value))
                return false;
            bits = bits << 16 | value;
            groups++;
            if (colon < 0)
                break;
            text = text[(colon + 1)..];
            // A colon leads to another group, or is the first half of the one gap.
            if (text.IsEmpty)
                return false;
            if (text[0] != (byte)':')
                continue;
            if (gapAt >= 0)
                return false;
            gapAt = groups;
            text = text[1..];
        }

        if (gapAt < 0 ? groups != 8 : groups > 7)
            return false;
        if (gapAt >= 0)
        {
            var behind = (groups - gapAt) * 16;
            var low = behind == 0 ? 0 : bits & UInt128.MaxValue >> (128 - behind);
            var high = behind == 128 ? 0 : bits >> behind;
            bits = (gapAt == 0 ? 0 : high << (128 - (gapAt * 16))) | low;
        }
        ip = new Ip(bits);
        return true;
    }

    private static bool TryParseGroup(ReadOnlySpan<byte> text, out uint value)
    {
        value = 0;
        if (text.Length is 0 or > 4)
            return false;
        foreach (var one in text)
        {
            var digit = Http1.HttpSyntax.HexDigit(one);
            if (digit < 0)
                return false;
            value = value << 4 | (uint)digit;
        }
        return true;
    }
}
