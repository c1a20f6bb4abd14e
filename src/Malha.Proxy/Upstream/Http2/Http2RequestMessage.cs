using System.Buffers;
using System.Net;
using System.Text;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Upstream.Http2;

/// <summary>The request as the endpoint gets it, from the same text that an HTTP/1.1 endpoint would get: what passes and what is added is decided in one place.</summary>
internal static class Http2RequestMessage
{
    /// <summary>Under which a request tells whoever opens a connection for it what it is for.</summary>
    public static readonly HttpRequestOptionsKey<AttemptSlot> SlotKey = new("malha.slot");

    // A connection of HTTP/2 says these in frames, and counts lengths itself.
    private const ulong NotSent =
        1UL << (int)KnownHeader.Connection | 1UL << (int)KnownHeader.TransferEncoding | 1UL << (int)KnownHeader.ContentLength
        | 1UL << (int)KnownHeader.Upgrade | 1UL << (int)KnownHeader.Expect;

    // Path and query go as they came: what the guard and the routes have seen is what the endpoint gets.
    private static readonly UriCreationOptions AsItIs = new() { DangerousDisablePathAndQueryCanonicalization = true };

    /// <param name="exchange">Whose request it is.</param>
    /// <param name="endpoint">Where it goes.</param>
    /// <param name="content">Its body; null when it has none.</param>
    /// <param name="spanId">The attempt's span; 0 when it has none.</param>
    public static HttpRequestMessage Make(Exchange exchange, EndpointState endpoint, HttpContent? content, ulong spanId)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(RequestWriter.Bound(exchange));
        var length = RequestWriter.WriteHead(buffer, exchange, endpoint.Authority, spanId);
        var message = Make(buffer.AsSpan(0, length), exchange.Request.Kind, endpoint, content, HttpVersion.Version20);
        ArrayPool<byte>.Shared.Return(buffer);
        return message;
    }

    /// <param name="head">As an HTTP/1.1 endpoint would get it.</param>
    /// <param name="kind">Its method.</param>
    /// <param name="endpoint">Where it goes.</param>
    /// <param name="content">Its body; null when it has none.</param>
    /// <param name="version">Which HTTP the endpoint is spoken to in.</param>
    public static HttpRequestMessage Make(ReadOnlySpan<byte> head, HttpMethodKind kind, EndpointState endpoint, HttpContent? content, Version version)
    {
        var lines = head;
        var line = lines[..lines.IndexOf("\r\n"u8)];
        lines = lines[(line.Length + 2)..];
        var method = line[..line.IndexOf((byte)' ')];
        var target = line[(method.Length + 1)..line.LastIndexOf((byte)' ')];
        var message = new HttpRequestMessage
        {
            Method = MethodOf(kind, method),
            RequestUri = new Uri(endpoint.Name + Encoding.Latin1.GetString(target), AsItIs),
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        while (FieldText.NextLine(ref lines, out var name, out var value))
            Add(message, name, value);
        return message;
    }

    private static void Add(HttpRequestMessage message, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var known = KnownHeaders.Find(name);
        if (known != KnownHeader.Other && known.In(NotSent))
            return;
        var text = Encoding.Latin1.GetString(value);
        if (known == KnownHeader.Host)
        {
            message.Headers.Host = text;
            return;
        }
        var key = FieldNames.TextOf(name);
        if (message.Headers.TryAddWithoutValidation(key, text))
            return;
        // Fields that the library counts to a body; some clients send them without one.
        message.Content ??= new ByteArrayContent([]);
        message.Content.Headers.TryAddWithoutValidation(key, text);
    }

    private static HttpMethod MethodOf(HttpMethodKind kind, ReadOnlySpan<byte> method) => kind switch
    {
        HttpMethodKind.Get => HttpMethod.Get,
        HttpMethodKind.Head => HttpMethod.Head,
        HttpMethodKind.Post => HttpMethod.Post,
        HttpMethodKind.Put => HttpMethod.Put,
        HttpMethodKind.Delete => HttpMethod.Delete,
        HttpMethodKind.Options => HttpMethod.Options,
        HttpMethodKind.Trace => HttpMethod.Trace,
        HttpMethodKind.Patch => HttpMethod.Patch,
        _ => new HttpMethod(Encoding.Latin1.GetString(method)),
    };
}
