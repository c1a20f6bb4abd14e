using System.Buffers;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>
/// A request's path as routes compare it: the normal form of RFC 3986 6.2.2, in which patterns are written too. Escapes of unreserved characters are
/// decoded, the others are in capitals; an escaped slash stays escaped. The path itself goes to the service as it came.
/// </summary>
internal static class RoutePath
{
    private static readonly SearchValues<byte> Unreserved =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"u8);

    /// <summary>The path as it came; an absolute target without one means the root (RFC 9110, 4.2.3).</summary>
    public static ReadOnlySpan<byte> Raw(RequestHead head) => head.Path.IsEmpty ? "/"u8 : head.Bytes(head.Path);

    /// <summary>Whether it may have another normal form than itself.</summary>
    public static bool HasEscapes(ReadOnlySpan<byte> path) => path.Contains((byte)'%');

    /// <param name="path">A path whose escapes the guard has found whole.</param>
    /// <param name="destination">At least as long as the path.</param>
    /// <returns>The length of the normal form.</returns>
    public static int Normalize(ReadOnlySpan<byte> path, Span<byte> destination)
    {
        var length = 0;
        for (var place = 0; place < path.Length; place++)
        {
            if (!TryUnescape(path[place..], out var value))
            {
                destination[length++] = path[place];
                continue;
            }

            if (Unreserved.Contains(value))
            {
                destination[length++] = value;
            }
            else
            {
                destination[length++] = (byte)'%';
                destination[length++] = Capital(path[place + 1]);
                destination[length++] = Capital(path[place + 2]);
            }
            place += 2;
        }
        return length;
    }

    /// <summary>The byte that the escape at the start of these bytes stands for; false when there is none.</summary>
    public static bool TryUnescape(ReadOnlySpan<byte> bytes, out byte value)
    {
        value = 0;
        if (bytes.Length < 3 || bytes[0] != (byte)'%')
            return false;
        var high = HttpSyntax.HexDigit(bytes[1]);
        var low = HttpSyntax.HexDigit(bytes[2]);
        if (high < 0 || low < 0)
            return false;
        value = (byte)((high << 4) | low);
        return true;
    }

    private static byte Capital(byte digit) => digit >= (byte)'a' ? (byte)(digit - 0x20) : digit;
}
