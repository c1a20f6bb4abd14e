using Malha.Proxy.Http1;

namespace Malha.Proxy.Upstream;

/// <summary>The request as the endpoint gets it: the client's line and fields, less what belongs to the client's connection, plus what a proxy adds.</summary>
internal static class RequestWriter
{
    /// <summary>More than all that is added: identity, forwarding and framing fields.</summary>
    private const int Added = 1024;

    private const ulong Rewritten =
        KnownHeaders.HopByHop | 1UL << (int)KnownHeader.Host | 1UL << (int)KnownHeader.Via | 1UL << (int)KnownHeader.Forwarded
        | 1UL << (int)KnownHeader.XForwardedFor | 1UL << (int)KnownHeader.XForwardedProto | 1UL << (int)KnownHeader.XForwardedHost
        | 1UL << (int)KnownHeader.XRequestId | 1UL << (int)KnownHeader.TraceParent | 1UL << (int)KnownHeader.MalhaTimeout
        | 1UL << (int)KnownHeader.MalhaAttempt | 1UL << (int)KnownHeader.MalhaClass;

    /// <summary>Bytes that a head can take at most.</summary>
    public static int Bound(Exchange exchange) =>
        // The host is written three times, the forwarding fields are copied once, everything else at most once.
        exchange.Request.Position + (3 * exchange.Request.Authority.Length) + Added;

    public static int WriteHead(Span<byte> buffer, Exchange exchange, ReadOnlySpan<byte> endpointAuthority)
    {
        var request = exchange.Request;
        var writer = new HeadWriter(buffer);
        writer.Write(request.Bytes(request.Method));
        writer.Write((byte)' ');
        WriteTarget(ref writer, request);
        writer.Write(" HTTP/1.1\r\nHost: "u8);
        writer.Write(request.Authority.IsEmpty ? endpointAuthority : request.Bytes(request.Authority));
        writer.EndLine();

        var drop = Rewritten;
        if (request.Has(KnownHeader.Expect) && !request.ExpectsContinue)
            drop |= KnownHeader.Expect.Bit();
        if (request.Has(KnownHeader.TraceState) && !exchange.Trace.IsContinued)
            drop |= KnownHeader.TraceState.Bit();
        FieldCopy.Write(ref writer, request, drop);

        WriteFraming(ref writer, exchange);
        WriteForwarding(ref writer, exchange);
        WriteIdentity(ref writer, exchange);
        writer.EndLine();
        return writer.Length;
    }

    private static void WriteTarget(ref HeadWriter writer, RequestHead request)
    {
        if (request.IsAsterisk)
        {
            writer.Write((byte)'*');
            return;
        }
        // An absolute form without a path asks for the root.
        if (request.Path.IsEmpty)
            writer.Write((byte)'/');
        writer.Write(request.Range(request.Path.Start, request.Query.IsEmpty ? request.Path.End : request.Query.End));
    }

    private static void WriteFraming(ref HeadWriter writer, Exchange exchange)
    {
        var request = exchange.Request;
        if (request.Chunked)
            writer.Write("Transfer-Encoding: chunked\r\n"u8);
        else if (request.ContentLength >= 0)
        {
            writer.Write("Content-Length: "u8);
            writer.Write(request.ContentLength);
            writer.EndLine();
        }

        if (request.WantsUpgrade)
        {
            writer.Write("Connection: Upgrade\r\n"u8);
            foreach (ref readonly var field in request.Fields)
            {
                if (field.Known == KnownHeader.Upgrade)
                    writer.Field("Upgrade"u8, request.Bytes(field.Value));
            }
        }
        if (request.Has(KnownHeader.TE) && AcceptsTrailers(request))
            writer.Write(request.WantsUpgrade ? "TE: trailers\r\n"u8 : "TE: trailers\r\nConnection: TE\r\n"u8);
    }

    private static bool AcceptsTrailers(RequestHead request)
    {
        var list = request.Value(KnownHeader.TE);
        while (HttpSyntax.NextElement(ref list, out var element))
        {
            if (HttpSyntax.EqualsIgnoreCase(element, "trailers"u8))
                return true;
        }
        return false;
    }

    private static void WriteForwarding(ref HeadWriter writer, Exchange exchange)
    {
        var request = exchange.Request;
        var connection = exchange.Connection;
        var address = connection.ClientAddress;
        var host = request.Bytes(request.Authority);

        // What an unknown peer says of those before it is a claim: it is replaced, not continued.
        Continue(ref writer, request, KnownHeader.XForwardedFor, "X-Forwarded-For: "u8, connection.PeerIsTrusted);
        writer.Write(address);
        writer.EndLine();
        if (connection.PeerIsTrusted && request.Has(KnownHeader.XForwardedProto))
            writer.Field("X-Forwarded-Proto"u8, request.Value(KnownHeader.XForwardedProto));
        else
            writer.Field("X-Forwarded-Proto"u8, connection.Scheme);
        if (connection.PeerIsTrusted && request.Has(KnownHeader.XForwardedHost))
            writer.Field("X-Forwarded-Host"u8, request.Value(KnownHeader.XForwardedHost));
        else if (!host.IsEmpty)
            writer.Field("X-Forwarded-Host"u8, host);

        Continue(ref writer, request, KnownHeader.Forwarded, "Forwarded: "u8, connection.PeerIsTrusted);
        writer.Write(connection.ForwardedFor);
        if (!host.IsEmpty)
        {
            writer.Write(";host=\""u8);
            writer.Write(host);
            writer.Write((byte)'"');
        }
        writer.EndLine();

        Continue(ref writer, request, KnownHeader.Via, "Via: "u8, true);
        writer.Write(request.MinorVersion == 1 ? "1.1 malha\r\n"u8 : "1.0 malha\r\n"u8);
    }

    private static void Continue(ref HeadWriter writer, RequestHead request, KnownHeader header, ReadOnlySpan<byte> name, bool trusted)
    {
        writer.Write(name);
        if (!trusted || !request.Has(header))
            return;
        foreach (ref readonly var field in request.Fields)
        {
            if (field.Known != header || field.Value.IsEmpty)
                continue;
            writer.Write(request.Bytes(field.Value));
            writer.Write(", "u8);
        }
    }

    private static void WriteIdentity(ref HeadWriter writer, Exchange exchange)
    {
        writer.Field("X-Request-Id"u8, exchange.RequestId);
        writer.Field("traceparent"u8, exchange.Trace.Parent);
    }
}
