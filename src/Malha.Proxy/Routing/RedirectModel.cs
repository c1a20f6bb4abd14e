using System.Buffers;
using System.Text;
using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>
/// Writes the <c>Location</c> of a redirect. What comes from the request is taken as it came, but whatever has no place in a URL is escaped: no byte of it
/// ends the field or the URL. Behind a question mark of the target (<c>/login?next={path}</c>) all but unreserved characters and slashes is
/// escaped, escapes too, so that the value decodes to what the client asked for and adds no parameter.
/// </summary>
internal sealed class RedirectModel
{
    private static readonly SearchValues<byte> InUrl =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?[]"u8);

    private static readonly SearchValues<byte> InQueryValue =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"u8);

    private readonly Part[] _parts;

    public RedirectModel(RedirectConfig config)
    {
        Status = config.Status;
        var inQuery = false;
        _parts = new Part[config.To.Parts.Count];
        for (var place = 0; place < _parts.Length; place++)
        {
            var part = config.To.Parts[place];
            var literal = Encoding.UTF8.GetBytes(part.Text);
            _parts[place] = new Part(part.Kind, literal, inQuery);
            inQuery = inQuery || literal.AsSpan().ContainsAny("?#"u8);
            NeedsHost = NeedsHost || part.Kind == RedirectPartKind.Host;
        }
    }

    public int Status { get; }

    /// <summary>Whether the target names the request's host, which a request of HTTP/1.0 may leave out.</summary>
    public bool NeedsHost { get; }

    /// <summary>How many bytes <see cref="Write"/> needs at most.</summary>
    public int MaxLength(RequestHead head)
    {
        var length = 0;
        foreach (var part in _parts)
            length += part.Literal.Length + (3 * Source(part.Kind, head).Length);
        return length;
    }

    /// <summary>Writes the target for a request; returns its length, or 0 when the target needs a host and the request has none.</summary>
    /// <param name="head">The request.</param>
    /// <param name="destination">At least <see cref="MaxLength"/> bytes.</param>
    public int Write(RequestHead head, Span<byte> destination)
    {
        if (NeedsHost && head.Authority.IsEmpty)
            return 0;

        var length = 0;
        foreach (var part in _parts)
        {
            part.Literal.CopyTo(destination[length..]);
            length += part.Literal.Length;
            length += Escape(Source(part.Kind, head), part.InQuery, destination[length..]);
        }
        return length;
    }

    private static ReadOnlySpan<byte> Source(RedirectPartKind kind, RequestHead head) => kind switch
    {
        RedirectPartKind.Host => RouteHost.WithoutPort(head.Bytes(head.Authority)),
        RedirectPartKind.Path => RoutePath.Raw(head),
        RedirectPartKind.Query => head.Bytes(head.Query),
        _ => default,
    };

    private static int Escape(ReadOnlySpan<byte> source, bool inQuery, Span<byte> destination)
    {
        var kept = inQuery ? InQueryValue : InUrl;
        var length = 0;
        for (var place = 0; place < source.Length; place++)
        {
            var value = source[place];
            // An escape stays one, unless it is part of a value.
            if (kept.Contains(value) || (!inQuery && RoutePath.TryUnescape(source[place..], out _)))
            {
                destination[length++] = value;
                continue;
            }
            destination[length++] = (byte)'%';
            destination[length++] = HexDigit(value >> 4);
            destination[length++] = HexDigit(value & 0xF);
        }
        return length;
    }

    private static byte HexDigit(int value) => (byte)(value < 10 ? '0' + value : 'A' + value - 10);

    private readonly record struct Part(RedirectPartKind Kind, byte[] Literal, bool InQuery);
}
