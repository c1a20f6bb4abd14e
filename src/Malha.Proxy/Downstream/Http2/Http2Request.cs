using System.Buffers;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Microsoft.AspNetCore.Http.Features;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>
/// An HTTP/2 request written down as HTTP/1.1 says it, and read by the same parser and guard: what comes after them cannot tell the two apart, and nothing
/// that would be two requests in HTTP/1.1 passes as one.
/// </summary>
internal static class Http2Request
{
    /// <summary>:method, :scheme, :authority, :path and :protocol, which Kestrel counts among the fields.</summary>
    public const int PseudoFields = 5;

    /// <summary>Request line, line ends, and what stands for an extended CONNECT.</summary>
    private const int Added = 256;

    // What would end a line, or the head, in HTTP/1.1. Everything else that may not be is found by the parser.
    private static readonly SearchValues<char> LineBreaking = SearchValues.Create("\r\n\0");

    private static readonly SearchValues<char> Token =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    // A connection of HTTP/2 says these in frames (RFC 9113, 8.2.2).
    private const ulong ConnectionFields =
        1UL << (int)KnownHeader.Connection | 1UL << (int)KnownHeader.TransferEncoding | 1UL << (int)KnownHeader.KeepAlive
        | 1UL << (int)KnownHeader.ProxyConnection | 1UL << (int)KnownHeader.Upgrade | 1UL << (int)KnownHeader.Http2Settings;

    /// <summary>Reads it into the exchange's head.</summary>
    /// <param name="request">As Kestrel has it.</param>
    /// <param name="features">What else Kestrel knows.</param>
    /// <param name="head">Filled, as far as it is readable: a refusal tells what it refuses.</param>
    /// <param name="limits">The listener's.</param>
    /// <param name="buffer">Holds the bytes; given back by the caller when the exchange is over.</param>
    public static HttpFault Read(IHttpRequestFeature request, IFeatureCollection features, RequestHead head, in HeadLimits limits, ref byte[]? buffer)
    {
        var isTunnel = request.Method == "CONNECT" && features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true, Protocol: "websocket" };
        var target = request.RawTarget;
        var host = request.Headers.Host.ToString();
        var fault = HttpFault.None;
        buffer = ArrayPool<byte>.Shared.Rent(Size(request));
        var writer = new HeadWriter(buffer);
        Write(ref writer, isTunnel ? "GET" : request.Method, ref fault);
        writer.Write((byte)' ');
        Write(ref writer, target.Length == 0 ? host : target, ref fault);
        writer.Write(" HTTP/1.1\r\n"u8);
        if (host.Length > 0)
        {
            writer.Write("Host: "u8);
            Write(ref writer, host, ref fault);
            writer.EndLine();
        }
        WriteFields(ref writer, request, ref fault);
        if (isTunnel)
            WriteUpgrade(ref writer);
        writer.EndLine();

        var status = HeadParser.ParseRequest(buffer.AsSpan(0, writer.Length), head, limits);
        head.Attach(buffer, 0);
        head.IsHttp2 = true;
        if (fault == HttpFault.None)
            fault = status == ParseStatus.Fault ? head.Fault : status == ParseStatus.NeedMore || head.Position != writer.Length ? HttpFault.BadHeaderValue : HttpFault.None;
        return fault == HttpFault.None ? Guard(head, features, isTunnel) : fault;
    }

    private static HttpFault Guard(RequestHead head, IFeatureCollection features, bool isTunnel)
    {
        if (!isTunnel && (head.Present & ConnectionFields) != 0)
            return HttpFault.ConnectionField;
        if (head.Has(KnownHeader.TE) && !HttpSyntax.EqualsIgnoreCase(head.Value(KnownHeader.TE), "trailers"u8))
            return HttpFault.ConnectionField;
        // An absolute :path would name a second host and scheme.
        if (head.Kind != HttpMethodKind.Connect && head.Bytes(head.Target) is not ([(byte)'/', ..] or [(byte)'*']))
            return HttpFault.BadTarget;
        var fault = RequestGuard.Inspect(head);
        if (fault != HttpFault.None)
            return fault;
        // Kestrel says 100 when the body is first read; nobody else need.
        head.ExpectsContinue = false;
        // Without an announced length it goes on chunked.
        if (!isTunnel && head.ContentLength < 0 && features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true })
            head.Chunked = true;
        return HttpFault.None;
    }

    private static void WriteFields(ref HeadWriter writer, IHttpRequestFeature request, ref HttpFault fault)
    {
        foreach (var (name, values) in request.Headers)
        {
            if (name.Length == 0 || name[0] == ':' || name.Equals("Host", StringComparison.OrdinalIgnoreCase))
                continue;
            // A client may send a cookie in crumbs, so that they are compressed one by one; in HTTP/1.1 there is one field (RFC 9113, 8.2.3).
            if (values.Count > 1 && name.Equals("Cookie", StringComparison.OrdinalIgnoreCase))
            {
                WriteField(ref writer, name, string.Join("; ", values.ToArray()), ref fault);
                continue;
            }
            foreach (var value in values)
                WriteField(ref writer, name, value ?? "", ref fault);
        }
    }

    private static void WriteField(ref HeadWriter writer, string name, string value, ref HttpFault fault)
    {
        // A colon in it would be the end of another name.
        if (name.AsSpan().ContainsAnyExcept(Token))
            fault = HttpFault.BadHeaderName;
        Write(ref writer, name, ref fault);
        writer.Write(": "u8);
        Write(ref writer, value, ref fault);
        writer.EndLine();
    }

    // RFC 8441, 5.1: the key has no counterpart, and the server behind us wants one.
    private static void WriteUpgrade(ref HeadWriter writer)
    {
        Span<byte> random = stackalloc byte[16];
        System.Security.Cryptography.RandomNumberGenerator.Fill(random);
        Span<byte> key = stackalloc byte[24];
        System.Buffers.Text.Base64.EncodeToUtf8(random, key, out _, out _);
        writer.Write("Connection: Upgrade\r\nUpgrade: websocket\r\n"u8);
        writer.Field("Sec-WebSocket-Key"u8, key);
    }

    private static void Write(ref HeadWriter writer, string text, ref HttpFault fault)
    {
        if (text.AsSpan().ContainsAny(LineBreaking))
        {
            fault = HttpFault.BadHeaderValue;
            return;
        }
        writer.Write(text);
    }

    private static int Size(IHttpRequestFeature request)
    {
        var size = Added + request.Method.Length + request.RawTarget.Length;
        foreach (var (name, values) in request.Headers)
        {
            // The host may be written twice.
            foreach (var value in values)
                size += name.Length + (2 * (value?.Length ?? 0)) + 4;
        }
        return size;
    }
}
