using System.Text;
using Malha.Proxy;
using Malha.Proxy.Http1;
using HeaderField = Malha.Delivery.Operations.HeaderField;

namespace Malha.Delivery.Deferral;

/// <summary>
/// Which of a request's fields are kept: what the endpoint would have got, before the route's changes, which are made at delivery. Credentials are told apart, since they are sealed.
/// Bytes become characters one by one (Latin-1) and come back as they were.
/// </summary>
internal static class RequestFields
{
    // Of the connection, written anew at delivery, or kept in a place of their own.
    private const ulong Dropped =
        KnownHeaders.HopByHop | 1UL << (int)KnownHeader.Host | 1UL << (int)KnownHeader.Expect | 1UL << (int)KnownHeader.Trailer | 1UL << (int)KnownHeader.TraceParent
        | 1UL << (int)KnownHeader.XRequestId | 1UL << (int)KnownHeader.MalhaTimeout | 1UL << (int)KnownHeader.MalhaAttempt | 1UL << (int)KnownHeader.MalhaClass
        | 1UL << (int)KnownHeader.MalhaOperation;

    // A claim, unless the peer is one of the listener's trusted proxies.
    private const ulong Forwarding =
        1UL << (int)KnownHeader.Forwarded | 1UL << (int)KnownHeader.XForwardedFor | 1UL << (int)KnownHeader.XForwardedProto | 1UL << (int)KnownHeader.XForwardedHost;

    public static (List<HeaderField> Kept, List<HeaderField> Credentials) Of(Exchange exchange)
    {
        var head = exchange.Request;
        var (kept, credentials) = (new List<HeaderField>(head.Count + 1), new List<HeaderField>());
        if (!head.Authority.IsEmpty)
            kept.Add(new HeaderField("Host", Encoding.Latin1.GetString(head.Bytes(head.Authority))));
        foreach (ref readonly var field in head.Fields)
        {
            var name = head.Bytes(field.Name);
            if (!IsKept(exchange, field.Known, name))
                continue;
            var isCredential = IsCredential(exchange, field.Known, name, out var isForwarded);
            if (isForwarded)
                (isCredential ? credentials : kept).Add(new HeaderField(Encoding.Latin1.GetString(name), Encoding.Latin1.GetString(head.Bytes(field.Value))));
        }
        return (kept, credentials);
    }

    private static bool IsKept(Exchange exchange, KnownHeader known, ReadOnlySpan<byte> name)
    {
        var head = exchange.Request;
        if (known != KnownHeader.Other && known.In(Dropped))
            return false;
        if (known != KnownHeader.Other && known.In(Forwarding) && !exchange.Connection.PeerIsTrusted)
            return false;
        if (known == KnownHeader.TraceState && !exchange.Trace.IsContinued)
            return false;
        if (known == KnownHeader.Other && Preference.Is(name))
            return false;
        return !head.NominatesFields || !head.IsNominated(name);
    }

    // What Malha itself asks for goes on only to services that may see it; what it does not know, the service must.
    private static bool IsCredential(Exchange exchange, KnownHeader known, ReadOnlySpan<byte> name, out bool isForwarded)
    {
        var identity = exchange.Model.Identity;
        var isOurs = known != KnownHeader.Other ? known.In(identity.CredentialHeaders) : Any(identity.CredentialNames, name);
        isForwarded = !isOurs || exchange.Caller.Client is { Config.ForwardCredentials: true };
        return isOurs || known is KnownHeader.Authorization or KnownHeader.XApiKey || (known == KnownHeader.Other && HttpSyntax.EqualsIgnoreCase(name, "cookie"u8));
    }

    private static bool Any(byte[][] names, ReadOnlySpan<byte> name)
    {
        foreach (var one in names)
        {
            if (HttpSyntax.EqualsIgnoreCase(name, one))
                return true;
        }
        return false;
    }
}
