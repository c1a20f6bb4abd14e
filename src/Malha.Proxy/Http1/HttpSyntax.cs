using System.Buffers;

namespace Malha.Proxy.Http1;

/// <summary>Character classes of RFC 9110 and 9112, and comparisons over ASCII bytes.</summary>
internal static class HttpSyntax
{
    public const byte CR = (byte)'\r';
    public const byte LF = (byte)'\n';
    public const byte SP = (byte)' ';
    public const byte HTab = (byte)'\t';

    /// <summary><c>tchar</c>: what a method or a field name consists of.</summary>
    public static readonly SearchValues<byte> Token =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    /// <summary>
    /// What no field value may hold: every control but the tab. CR and LF are among them, so that the search for a bad byte is
    /// also the search for the end of the line.
    /// </summary>
    public static readonly SearchValues<byte> NotFieldValue = SearchValues.Create(Controls(but: HTab));

    /// <summary>What may stand in a request target: visible ASCII. Which of it is allowed where is the guard's business.</summary>
    public static readonly SearchValues<byte> Target = SearchValues.Create(Range(0x21, 0x7E));

    /// <summary>A registered name or an IPv4 address (RFC 3986, 3.2.2), without the comma: it glues two hosts into one for whoever reads lists.</summary>
    public static readonly SearchValues<byte> HostName =
        SearchValues.Create("-._~!$&'()*+;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    /// <summary>What an IPv6 address is written with, between its brackets.</summary>
    public static readonly SearchValues<byte> IPv6 = SearchValues.Create("0123456789ABCDEFabcdef:."u8);

    public static bool IsToken(ReadOnlySpan<byte> bytes) => !bytes.IsEmpty && !bytes.ContainsAnyExcept(Token);

    public static bool EqualsIgnoreCase(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) => System.Text.Ascii.EqualsIgnoreCase(left, right);

    /// <summary>Without the optional white space around it.</summary>
    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> bytes) => bytes.Trim(" \t"u8);

    public static int HexDigit(byte value) => value switch
    {
        >= (byte)'0' and <= (byte)'9' => value - '0',
        >= (byte)'a' and <= (byte)'f' => value - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => value - 'A' + 10,
        _ => -1,
    };

    /// <summary>Takes the next element of a comma-separated list, trimmed; false at its end. Empty elements are passed over (RFC 9110, 5.6.1).</summary>
    public static bool NextElement(ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> element)
    {
        while (!list.IsEmpty)
        {
            var comma = list.IndexOf((byte)',');
            element = Trim(comma < 0 ? list : list[..comma]);
            list = comma < 0 ? default : list[(comma + 1)..];
            if (!element.IsEmpty)
                return true;
        }
        element = default;
        return false;
    }

    private static byte[] Range(int from, int to) => [.. Enumerable.Range(from, to - from + 1).Select(value => (byte)value)];

    private static byte[] Controls(byte but) => [.. Range(0x00, 0x1F).Where(value => value != but), 0x7F];
}
