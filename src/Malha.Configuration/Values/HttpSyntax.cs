using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;

namespace Malha.Configuration;

/// <summary>The parts of HTTP's grammar that a configuration is checked against (RFC 9110 5.5, 5.6.2; RFC 3986 3.2.2).</summary>
internal static class HttpSyntax
{
    public const string TokenPattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

    private static readonly SearchValues<char> TokenCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~");

    public static bool IsToken(string text) => text.Length is > 0 and <= 256 && !text.AsSpan().ContainsAnyExcept(TokenCharacters);

    /// <summary>
    /// Why a text cannot be the value of a header field, or null. Bytes above ASCII are allowed by the grammar, but nobody agrees on what they mean.
    /// </summary>
    public static string? WhyNoFieldValue(string text)
    {
        if (text.Length > 8 * 1024)
            return "is longer than 8 KiB";
        foreach (var c in text)
        {
            if (c is not ('\t' or (>= ' ' and <= '~')))
                return string.Create(CultureInfo.InvariantCulture, $"holds the character U+{(int)c:X4}, which is not printable ASCII");
        }

        return text.Length > 0 && (text[0] is ' ' or '\t' || text[^1] is ' ' or '\t') ? "begins or ends with a space or tab" : null;
    }

    /// <summary>Reads a host without port: a DNS name in ASCII (in lower case then), an IPv4 address, or an IPv6 address in brackets.</summary>
    public static string? ReadHost(string text, out string host)
    {
        host = text.ToLowerInvariant();
        if (text.StartsWith('['))
        {
            if (!text.EndsWith(']') || !IPAddress.TryParse(text[1..^1], out var ip) || text.Contains('%', StringComparison.Ordinal))
                return $"{Printable.Quote(text)} is not an address in brackets";
            host = $"[{ip}]";
            return null;
        }

        if (text.Length is 0 or > 253)
            return $"{Printable.Quote(text)} is not a host";
        if (text.Contains(':', StringComparison.Ordinal))
            return $"{Printable.Quote(text)}: a host stands here without its port";
        if (!Ascii.IsValid(text))
            return $"{Printable.Quote(text)} is written in its ASCII form (xn--…)";
        foreach (var label in host.Split('.'))
        {
            if (label.Length is 0 or > 63 || label[0] == '-' || label[^1] == '-' || !label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
                return $"{Printable.Quote(text)} is not a host";
        }

        return null;
    }
}
