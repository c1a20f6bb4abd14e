using Malha.Proxy.Http1;

namespace Malha.Proxy.Guard;

/// <summary>One host, well formed, the same in the target and in the Host header.</summary>
internal static class HostGuard
{
    public static HttpFault Inspect(RequestHead head, Slice? host)
    {
        if (host is null)
        {
            // HTTP/1.0 had no Host header; an absolute target names the host all the same.
            if (head.MinorVersion == 1)
                return HttpFault.MissingHost;
        }
        else
        {
            if (host.Value.IsEmpty)
                return HttpFault.MissingHost;
            if (!IsAuthority(head.Bytes(host.Value)))
                return HttpFault.BadHost;
            head.Authority = host.Value;
        }
        return HttpFault.None;
    }

    /// <summary><c>host[:port]</c> without user information.</summary>
    public static bool IsAuthority(ReadOnlySpan<byte> authority)
    {
        if (authority.IsEmpty)
            return false;

        ReadOnlySpan<byte> port;
        if (authority[0] == (byte)'[')
        {
            var end = authority.IndexOf((byte)']');
            if (end < 0 || !IsIPv6(authority[1..end]))
                return false;
            port = authority[(end + 1)..];
        }
        else
        {
            var colon = authority.IndexOf((byte)':');
            var name = colon < 0 ? authority : authority[..colon];
            if (name.IsEmpty || name.ContainsAnyExcept(HttpSyntax.HostName))
                return false;
            port = colon < 0 ? default : authority[colon..];
        }
        return port.IsEmpty || IsPort(port);
    }

    /// <summary>Whether two authorities name the same host and port, a missing port being the scheme's.</summary>
    public static bool SameAuthority(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, bool https)
    {
        var defaultPort = https ? ":443"u8 : ":80"u8;
        return HttpSyntax.EqualsIgnoreCase(WithoutPort(left, defaultPort), WithoutPort(right, defaultPort));
    }

    private static ReadOnlySpan<byte> WithoutPort(ReadOnlySpan<byte> authority, ReadOnlySpan<byte> port) =>
        authority.EndsWith(port) ? authority[..^port.Length] : authority.EndsWith(":"u8) ? authority[..^1] : authority;

    // The colon tells it from what reads as an IPv4 address ([12] does), the digits from a zone, which means something on one machine only.
    private static bool IsIPv6(ReadOnlySpan<byte> address) =>
        address.Length is >= 2 and <= 45 && address.Contains((byte)':') && !address.ContainsAnyExcept(HttpSyntax.IPv6)
        && System.Net.IPAddress.IsValidUtf8(address);

    private static bool IsPort(ReadOnlySpan<byte> port)
    {
        // RFC 3986 lets the digits be left out after the colon.
        if (port[0] != (byte)':' || port.Length > 6)
            return false;
        var number = 0;
        foreach (var digit in port[1..])
        {
            if (!char.IsAsciiDigit((char)digit))
                return false;
            number = (number * 10) + (digit - '0');
        }
        return number <= 65535;
    }
}
