using System.Globalization;
using System.Text;

namespace Malha.IntegrationTests.Harness;

/// <summary>Bytes as text and back, one byte to one character, so that a hostile byte survives the way through a string.</summary>
internal static class WireText
{
    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    /// <summary>For failure messages: every byte visible, a line break after each LF, the middle of a long message left out.</summary>
    public static string Show(ReadOnlySpan<byte> bytes, int limit = 800)
    {
        if (bytes.Length > limit)
            return $"{Show(bytes[..(limit / 2)])}…({bytes.Length - limit} bytes more)…{Show(bytes[^(limit / 2)..])}";
        var shown = new StringBuilder(bytes.Length + 32);
        foreach (var value in bytes)
        {
            _ = value switch
            {
                (byte)'\r' => shown.Append("\\r"),
                (byte)'\n' => shown.Append("\\n\n"),
                (byte)'\t' => shown.Append("\\t"),
                >= 0x20 and < 0x7f => shown.Append((char)value),
                _ => shown.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}"),
            };
        }
        return shown.ToString();
    }
}
