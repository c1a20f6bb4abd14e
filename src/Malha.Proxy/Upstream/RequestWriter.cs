using Malha.Proxy.Http1;
using Malha.Proxy.Telemetry;

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
        | 1UL << (int)KnownHeader.MalhaAttempt | 1UL << (int)KnownHeader.MalhaClass | 1UL << (int)KnownHeader.MalhaOperation;

    /// <summary>Bytes that a head can take at most.</summary>
    public static int Bound(Exchange exchange) =>
        // The host is written three times, the forwarding fields are copied once, everything else at most once.
        exchange.Request.Position + (3 * exchange.Request.Authority.Length) + exchange.RewrittenPath.Length + exchange.Edits.Lines.Length + Added;

    /// <param name="buffer">Of <see cref="Bound"/> bytes.</param>
    /// <param name="exchange">Whose request it is.</param>
    /// <param name="endpointAuthority">Host and port of the endpoint.</param>
    /// <param name="spanId">The span that the endpoint's is to be below; 0: the exchange's own.</param>
    public static int WriteHead(Span<byte> buffer, Exchange exchange, ReadOnlySpan<byte> endpointAuthority, ulong spanId = 0)
    {
        var request = exchange.Request;
        var writer = new HeadWriter(buffer);
        writer.Write(request.Bytes(request.Method));
        writer.Write((byte)' ');
        WriteTarget(ref writer, exchange);
        writer.Write(" HTTP/1.1\r\n"u8);
        var edits = exchange.Edits;
        if (!edits.Sets(KnownHeader.Host))
            writer.Field("Host"u8, exchange.Route?.Rewrite is { ChangesHost: true } rewrite ? rewrite.Host(endpointAuthority)
                : request.Authority.IsEmpty ? endpointAuthority : request.Bytes(request.Authority));

        var drop = Rewritten;
        if (request.Has(KnownHeader.Expect) && !request.ExpectsContinue)
            drop |= KnownHeader.Expect.Bit();
        if (request.Has(KnownHeader.TraceState) && !exchange.Trace.IsContinued)
            drop |= KnownHeader.TraceState.Bit();
        // Whoever need not see a credential cannot lose it.
        var hidden = exchange.Caller.Client is { Config.ForwardCredentials: true } ? [] : exchange.Model.Identity.CredentialNames.AsSpan();
        if (exchange.Caller.Client is not { Config.ForwardCredentials: true })
            drop |= exchange.Model.Identity.CredentialHeaders;
        FieldCopy.Write(ref writer, request, drop, edits, hidden);

        WriteFraming(ref writer, exchange);
        WriteForwarding(ref writer, exchange);
        WriteIdentity(ref writer, exchange, spanId);
        WriteForMalha(ref writer, exchange);
        writer.Write(edits.Lines);
        writer.EndLine();
        return writer.Length;
    }

    private static void WriteTarget(ref HeadWriter writer, Exchange exchange)
    {
        var request = exchange.Request;
        if (!exchange.RewrittenPath.IsEmpty)
        {
            writer.Write(exchange.RewrittenPath);
            writer.Write(request.Bytes(request.Query));
            return;
        }
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

        var trusted = connection.PeerIsTrusted;
        var edits = exchange.Edits;

        // What an unknown peer says of those before it is a claim: it is replaced, not continued. What the route writes or removes is its own.
        if (!edits.Drops(KnownHeader.XForwardedFor, default))
        {
            Continue(ref writer, request, KnownHeader.XForwardedFor, "X-Forwarded-For: "u8, trusted);
            writer.Write(address);
            writer.EndLine();
        }
        if (!edits.Drops(KnownHeader.XForwardedProto, default))
            writer.Field("X-Forwarded-Proto"u8, Believed(request, KnownHeader.XForwardedProto, trusted, connection.Scheme));
        if (!host.IsEmpty && !edits.Drops(KnownHeader.XForwardedHost, default))
            writer.Field("X-Forwarded-Host"u8, Believed(request, KnownHeader.XForwardedHost, trusted, host));
        if (!edits.Drops(KnownHeader.Forwarded, default))
        {
            Continue(ref writer, request, KnownHeader.Forwarded, "Forwarded: "u8, trusted);
            writer.Write(connection.ForwardedFor);
            if (!host.IsEmpty)
            {
                writer.Write(";host=\""u8);
                writer.Write(host);
                writer.Write((byte)'"');
            }
            writer.EndLine();
        }
        if (!edits.Drops(KnownHeader.Via, default))
        {
            Continue(ref writer, request, KnownHeader.Via, "Via: "u8, trusted: true);
            writer.Write(request.ViaVersion);
            writer.Write(" malha\r\n"u8);
        }
    }

    private static ReadOnlySpan<byte> Believed(RequestHead request, KnownHeader header, bool trusted, ReadOnlySpan<byte> own) =>
        trusted && request.Has(header) ? request.Value(header) : own;

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

    // For a Malha behind this one, and for services that look: what time there is, which try it is, and for whom.
    private static void WriteForMalha(ref HeadWriter writer, Exchange exchange)
    {
        writer.Write("Malha-Timeout: "u8);
        writer.Write(exchange.AttemptTimeMs);
        writer.EndLine();
        var attempt = Math.Max(exchange.Attempts, exchange.Caller.InboundAttempt);
        if (attempt > 1)
        {
            writer.Write("Malha-Attempt: "u8);
            writer.Write(attempt);
            writer.EndLine();
        }
        if (exchange.Model.Classes is { Length: > 0 } classes)
            writer.Field("Malha-Class"u8, classes[exchange.ShareClass].NameBytes);
        if (exchange.Operation is { } operation)
            writer.Field("Malha-Operation"u8, operation);
    }

    private static void WriteIdentity(ref HeadWriter writer, Exchange exchange, ulong spanId)
    {
        if (!exchange.Edits.Drops(KnownHeader.XRequestId, default))
            writer.Field("X-Request-Id"u8, exchange.RequestId);
        if (exchange.Edits.Drops(KnownHeader.TraceParent, default))
            return;
        if (spanId == 0)
        {
            writer.Field("traceparent"u8, exchange.Trace.Parent);
            return;
        }
        Span<byte> parent = stackalloc byte[exchange.Trace.Parent.Length];
        exchange.Trace.Parent.CopyTo(parent);
        TraceIdentity.WriteSpan(spanId, parent);
        writer.Field("traceparent"u8, parent);
    }
}
