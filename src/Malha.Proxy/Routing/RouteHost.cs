using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>A request's host as routes compare it: without port and without the dot that may close a full name. Case is left to the comparison.</summary>
internal static class RouteHost
{
    /// <summary>Empty when the request names none (HTTP/1.0).</summary>
    public static ReadOnlySpan<byte> Of(RequestHead head) => WithoutDot(WithoutPort(head.Bytes(head.Authority)));

    public static ReadOnlySpan<byte> WithoutPort(ReadOnlySpan<byte> authority)
    {
        // The colons of an IPv6 address stand in brackets.
        var start = authority.StartsWith("["u8) ? authority.IndexOf((byte)']') + 1 : 0;
        var colon = authority[start..].IndexOf((byte)':');
        return colon < 0 ? authority : authority[..(start + colon)];
    }

    private static ReadOnlySpan<byte> WithoutDot(ReadOnlySpan<byte> host) => host.EndsWith("."u8) ? host[..^1] : host;
}
