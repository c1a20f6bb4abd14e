using System.Buffers;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Guard;

/// <summary>
/// The request target: its form, and a path that every hop reads alike. Dot segments, in clear or encoded, are refused rather than resolved;
/// an encoded slash and doubled slashes stay as they are and are matched literally, never decoded.
/// </summary>
internal static class TargetGuard
{
    /// <summary>Servers read a backslash as a slash or not; a fragment has no business on the wire.</summary>
    private static readonly SearchValues<byte> ForbiddenInPath = SearchValues.Create("\\#"u8);

    private static readonly SearchValues<byte> WorthALook = SearchValues.Create("%.\\#"u8);

    public static HttpFault Inspect(RequestHead head)
    {
        var target = head.Bytes(head.Target);
        if (head.Kind == HttpMethodKind.Connect)
            return HttpFault.ConnectRefused;
        if (target[0] == (byte)'/')
            return PathAndQuery(head, head.Target);
        if (target is [(byte)'*'])
        {
            head.IsAsterisk = true;
            return head.Kind == HttpMethodKind.Options ? HttpFault.None : HttpFault.BadTarget;
        }
        return Absolute(head, target);
    }

    private static HttpFault Absolute(RequestHead head, ReadOnlySpan<byte> target)
    {
        bool https;
        if (target.Length > 7 && HttpSyntax.EqualsIgnoreCase(target[..7], "http://"u8))
            https = false;
        else if (target.Length > 8 && HttpSyntax.EqualsIgnoreCase(target[..8], "https://"u8))
            https = true;
        else
            return HttpFault.BadTarget;

        var start = https ? 8 : 7;
        var length = target[start..].IndexOfAny("/?#"u8);
        if (length < 0)
            length = target.Length - start;
        var authority = new Slice(head.Target.Start + start, length);
        if (!HostGuard.IsAuthority(head.Bytes(authority)))
            return HttpFault.BadHost;
        if (!head.Authority.IsEmpty && !HostGuard.SameAuthority(head.Bytes(authority), head.Bytes(head.Authority), https))
            return HttpFault.ContradictingHost;
        head.Authority = authority;

        var rest = new Slice(authority.End, head.Target.End - authority.End);
        if (rest.IsEmpty && head.Kind == HttpMethodKind.Options)
        {
            // An absolute form without a path is the asterisk form for OPTIONS (RFC 9112, 3.2.4).
            head.IsAsterisk = true;
            return HttpFault.None;
        }
        return PathAndQuery(head, rest);
    }

    private static HttpFault PathAndQuery(RequestHead head, Slice target)
    {
        var bytes = head.Bytes(target);
        var mark = bytes.IndexOf((byte)'?');
        var pathLength = mark < 0 ? target.Length : mark;
        head.Path = new Slice(target.Start, pathLength);
        head.Query = new Slice(target.Start + pathLength, target.Length - pathLength);
        if (head.Query.Length > 0 && bytes[pathLength..].Contains((byte)'#'))
            return HttpFault.BadTarget;
        return InspectPath(bytes[..pathLength]);
    }

    /// <summary>The path alone: that of a request, or one that has been made of it.</summary>
    public static HttpFault InspectPath(ReadOnlySpan<byte> path) => path.ContainsAny(WorthALook) ? Path(path) : HttpFault.None;

    private static HttpFault Path(ReadOnlySpan<byte> path)
    {
        if (path.ContainsAny(ForbiddenInPath))
            return HttpFault.BadTarget;

        // Dots of the segment so far, counting an encoded dot as one; -1 once the segment holds anything else. A parameter after
        // dots (";") ends the segment too, since some servers strip it before they resolve.
        var dots = 0;
        for (var place = 0; place < path.Length; place++)
        {
            var value = path[place];
            if (value == (byte)'%')
            {
                var high = place + 2 < path.Length ? HttpSyntax.HexDigit(path[place + 1]) : -1;
                var low = place + 2 < path.Length ? HttpSyntax.HexDigit(path[place + 2]) : -1;
                if (high < 0 || low < 0)
                    return HttpFault.BadPercentEncoding;
                value = (byte)((high << 4) | low);
                place += 2;
                // A NUL ends the path for whoever hands it to C.
                if (value == 0)
                    return HttpFault.BadPercentEncoding;
            }

            if (value is (byte)'/' or (byte)';' or (byte)'\\')
            {
                if (dots is 1 or 2)
                    return HttpFault.DotSegment;
                dots = value == (byte)';' ? -1 : 0;
            }
            else if (value == (byte)'.')
                dots = dots >= 0 ? dots + 1 : -1;
            else
                dots = -1;
        }
        return dots is 1 or 2 ? HttpFault.DotSegment : HttpFault.None;
    }
}
