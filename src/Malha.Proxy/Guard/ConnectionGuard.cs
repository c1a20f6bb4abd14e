using Malha.Proxy.Http1;

namespace Malha.Proxy.Guard;

[Flags]
internal enum ConnectionOptions : byte
{
    None = 0,
    Close = 1,
    KeepAlive = 2,
    Upgrade = 4,
}

/// <summary>The Connection header: what it asks for, and that it does not talk away a field that the next hop needs.</summary>
internal static class ConnectionGuard
{
    // Naming one of these in Connection would make a proxy drop what frames, routes or attributes the request.
    private const ulong NotNominable =
        1UL << (int)KnownHeader.Host | 1UL << (int)KnownHeader.ContentLength | 1UL << (int)KnownHeader.TransferEncoding
        | 1UL << (int)KnownHeader.Authorization | 1UL << (int)KnownHeader.XApiKey | 1UL << (int)KnownHeader.Connection
        | 1UL << (int)KnownHeader.Expect | 1UL << (int)KnownHeader.Date | 1UL << (int)KnownHeader.ContentType
        | 1UL << (int)KnownHeader.Forwarded | 1UL << (int)KnownHeader.XForwardedFor | 1UL << (int)KnownHeader.XForwardedHost
        | 1UL << (int)KnownHeader.XForwardedProto | 1UL << (int)KnownHeader.Via;

    public static HttpFault Inspect(ReadOnlySpan<byte> value, MessageHead head, ref ConnectionOptions options)
    {
        while (HttpSyntax.NextElement(ref value, out var option))
        {
            if (HttpSyntax.EqualsIgnoreCase(option, "keep-alive"u8))
                options |= ConnectionOptions.KeepAlive;
            else if (HttpSyntax.EqualsIgnoreCase(option, "close"u8))
                options |= ConnectionOptions.Close;
            else if (HttpSyntax.EqualsIgnoreCase(option, "upgrade"u8))
                options |= ConnectionOptions.Upgrade;
            else if (!HttpSyntax.IsToken(option) || KnownHeaders.Find(option).In(NotNominable & ~KnownHeader.Other.Bit()))
                return HttpFault.BadConnectionOption;
            else
                head.NominatesFields = true;
        }
        return HttpFault.None;
    }

    /// <summary>
    /// Whether the Upgrade header may go on to the upstream. HTTP/2 in clear may not: what came after it would pass by every rule.
    /// Leaving the header out is a valid answer to it.
    /// </summary>
    public static bool UpgradeMayPass(RequestHead head)
    {
        var found = false;
        foreach (ref readonly var field in head.Fields)
        {
            if (field.Known != KnownHeader.Upgrade)
                continue;
            var list = head.Bytes(field.Value);
            while (HttpSyntax.NextElement(ref list, out var protocol))
            {
                found = true;
                if (protocol.Length >= 2 && HttpSyntax.EqualsIgnoreCase(protocol[..2], "h2"u8))
                    return false;
                if (protocol.Length >= 5 && HttpSyntax.EqualsIgnoreCase(protocol[..5], "http/"u8))
                    return false;
            }
        }
        return found && !head.HasBody;
    }
}
