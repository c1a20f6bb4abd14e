using Malha.Proxy.Http1;

namespace Malha.Proxy.Identity;

/// <summary>
/// The client's address behind proxies that are trusted: of X-Forwarded-For or Forwarded (RFC 7239) the rightmost hop that is not one of them, as nginx'
/// real_ip_recursive finds it. What a stranger wrote stands further left and is never reached.
/// </summary>
internal static class ForwardedAddress
{
    /// <summary>
    /// False when it is not clear who the client is: the hop that decides is no address, or the two fields disagree, of which then one was not written by
    /// the proxy. The address is the peer's then, and should be believed to be no more than that.
    /// </summary>
    public static bool TryFind(RequestHead head, Ip peer, NetworkTable trusted, out Ip client)
    {
        client = peer;
        var hasList = head.Has(KnownHeader.XForwardedFor);
        var hasForwarded = head.Has(KnownHeader.Forwarded);
        Ip list = default, forwarded = default;
        if (hasList && !TryRead(head, KnownHeader.XForwardedFor, peer, trusted, out list))
            return false;
        if (hasForwarded && !TryRead(head, KnownHeader.Forwarded, peer, trusted, out forwarded))
            return false;
        if (hasList && hasForwarded && list != forwarded)
            return false;
        if (hasList || hasForwarded)
            client = hasList ? list : forwarded;
        return true;
    }

    // Several lines are one list (RFC 9110 5.3); from its end.
    private static bool TryRead(RequestHead head, KnownHeader header, Ip peer, NetworkTable trusted, out Ip client)
    {
        client = peer;
        var fields = head.Fields;
        for (var index = fields.Length - 1; index >= 0; index--)
        {
            if (fields[index].Known != header)
                continue;
            var list = head.Bytes(fields[index].Value);
            while (TakeLast(ref list, out var element))
            {
                if (!(header == KnownHeader.Forwarded ? TryReadFor(element, out var ip) : Ip.TryParseNode(element, out ip)))
                {
                    client = peer;
                    return false;
                }
                client = ip;
                if (!trusted.Contains(ip))
                    return true;
            }
        }
        return true;
    }

    // The last element of a list, commas within quotation marks aside; empty ones are passed over.
    private static bool TakeLast(ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> element)
    {
        while (!list.IsEmpty)
        {
            var comma = list.Length - 1;
            for (var quoted = false; comma >= 0 && (quoted || list[comma] != (byte)','); comma--)
                quoted ^= list[comma] == (byte)'"';
            element = HttpSyntax.Trim(list[(comma + 1)..]);
            list = comma < 0 ? default : list[..comma];
            if (!element.IsEmpty)
                return true;
        }
        element = default;
        return false;
    }

    private static bool TryReadFor(ReadOnlySpan<byte> element, out Ip ip)
    {
        ip = default;
        var found = false;
        while (!element.IsEmpty)
        {
            var end = element.IndexOf((byte)';');
            var pair = HttpSyntax.Trim(end < 0 ? element : element[..end]);
            element = end < 0 ? default : element[(end + 1)..];
            if (pair.Length < 4 || pair[3] != (byte)'=' || !HttpSyntax.EqualsIgnoreCase(pair[..3], "for"u8))
                continue;
            var node = pair[4..];
            if (node.Length >= 2 && node[0] == (byte)'"' && node[^1] == (byte)'"')
                node = node[1..^1];
            // Named twice, it says nothing.
            if (found || !Ip.TryParseNode(node, out ip))
                return false;
            found = true;
        }
        return found;
    }
}
