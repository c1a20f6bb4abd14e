using System.Buffers.Text;
using System.Text;

namespace Malha.Bench.Overload.Load;

/// <summary>As much of HTTP/1.1 as the answers of proxies under load need.</summary>
/// <param name="Status">The status.</param>
/// <param name="KeepsAlive">Whether the connection may carry another call.</param>
internal readonly record struct Answer(int Status, bool KeepsAlive)
{
    private static readonly Answer Broken = new(0, KeepsAlive: false);

    /// <summary>False: more bytes are needed. An answer that cannot be read has status 0.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out Answer answer)
    {
        answer = default;
        var headLength = bytes.IndexOf("\r\n\r\n"u8);
        if (headLength < 0)
            return false;
        var head = bytes[..(headLength + 2)];
        var body = bytes[(headLength + 4)..];
        if (!head.StartsWith("HTTP/1."u8) || head.Length < 12 || !Utf8Parser.TryParse(head.Slice(9, 3), out int status, out _))
        {
            answer = Broken;
            return true;
        }
        var keepsAlive = head[7] == (byte)'1' && !HasHeader(head, "connection", "close");
        if (HasHeader(head, "transfer-encoding", "chunked"))
        {
            answer = new Answer(status, keepsAlive);
            return body.EndsWith("0\r\n\r\n"u8);
        }
        var length = Header(head, "content-length");
        if (length.IsEmpty)
        {
            // The body ends with the connection: nobody waits for that here.
            answer = new Answer(status, KeepsAlive: status is 204 or 304 && keepsAlive);
            return true;
        }
        answer = Utf8Parser.TryParse(length, out int expected, out _) ? new Answer(status, keepsAlive) : Broken;
        return body.Length >= expected;
    }

    private static bool HasHeader(ReadOnlySpan<byte> head, string name, string value) =>
        Ascii.EqualsIgnoreCase(Header(head, name), value);

    /// <summary>The header's value; empty: it is not there.</summary>
    private static ReadOnlySpan<byte> Header(ReadOnlySpan<byte> head, string name)
    {
        while (!head.IsEmpty)
        {
            var end = head.IndexOf("\r\n"u8);
            if (end < 0)
                break;
            var line = head[..end];
            head = head[(end + 2)..];
            var colon = line.IndexOf((byte)':');
            if (colon == name.Length && Ascii.EqualsIgnoreCase(line[..colon], name))
                return line[(colon + 1)..].Trim((byte)' ');
        }
        return default;
    }
}
