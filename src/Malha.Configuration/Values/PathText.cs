using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Malha.Configuration;

/// <summary>The characters of a path segment (RFC 3986 3.3) and their normal form (6.2.2).</summary>
internal static class PathText
{
    private static readonly SearchValues<char> Unreserved =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");

    private static readonly SearchValues<char> Allowed =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@");

    /// <summary>Decodes the escapes of unreserved characters and writes the others in capitals.</summary>
    public static bool TryNormalize(string segment, [NotNullWhen(true)] out string? normal, [NotNullWhen(false)] out string? problem)
    {
        problem = null;
        if (!segment.AsSpan().ContainsAnyExcept(Allowed))
        {
            normal = segment;
            return true;
        }

        normal = null;
        var text = new StringBuilder(segment.Length);
        for (var i = 0; i < segment.Length; i++)
        {
            if (segment[i] != '%')
            {
                if (!Allowed.Contains(segment[i]))
                {
                    problem = "a character of a path must be escaped as in a URL (a space is %20)";
                    return false;
                }

                text.Append(segment[i]);
                continue;
            }

            if (i + 2 >= segment.Length || !char.IsAsciiHexDigit(segment[i + 1]) || !char.IsAsciiHexDigit(segment[i + 2]))
            {
                problem = "% is followed by two hexadecimal digits";
                return false;
            }

            var decoded = (char)Convert.ToByte(segment.Substring(i + 1, 2), 16);
            if (Unreserved.Contains(decoded))
                text.Append(decoded);
            else
                text.Append('%').Append(segment.AsSpan(i + 1, 2).ToString().ToUpperInvariant());
            i += 2;
        }

        normal = text.ToString();
        return true;
    }
}
