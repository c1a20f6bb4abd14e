namespace Malha.Proxy.Http1;

/// <summary>The fields after a chunked body. They keep a copy of their bytes: the buffer that they came in is reused before they are sent on.</summary>
internal sealed class TrailerHead : MessageHead
{
    public const int MaxSize = 8 * 1024;

    private const int MaxFields = 64;

    // What frames, routes, authenticates or controls a message may not come after it has been acted upon (RFC 9110, 6.5.1).
    private const ulong Forbidden =
        KnownHeaders.HopByHop | 1UL << (int)KnownHeader.Host | 1UL << (int)KnownHeader.Trailer | 1UL << (int)KnownHeader.Expect
        | 1UL << (int)KnownHeader.Authorization | 1UL << (int)KnownHeader.XApiKey | 1UL << (int)KnownHeader.Via
        | 1UL << (int)KnownHeader.Forwarded | 1UL << (int)KnownHeader.XForwardedFor | 1UL << (int)KnownHeader.XForwardedHost
        | 1UL << (int)KnownHeader.XForwardedProto | 1UL << (int)KnownHeader.XRequestId | 1UL << (int)KnownHeader.ContentType
        | 1UL << (int)KnownHeader.IdempotencyKey | 1UL << (int)KnownHeader.MalhaTimeout | 1UL << (int)KnownHeader.MalhaAttempt
        | 1UL << (int)KnownHeader.MalhaClass;

    private static readonly HashSet<string> ForbiddenByName = new(StringComparer.OrdinalIgnoreCase)
    {
        "cache-control", "content-encoding", "content-range", "cookie", "if-match", "if-modified-since", "if-none-match", "if-range",
        "if-unmodified-since", "max-forwards", "pragma", "range", "set-cookie", "www-authenticate",
    };

    /// <summary>Parses the trailer section from its first byte. Incomplete sections are parsed again from the start when more has come.</summary>
    public ParseStatus Parse(ReadOnlySpan<byte> data)
    {
        Reset();
        // Never beyond the limit: the verdict is then the same however the bytes come.
        data = data[..Math.Min(data.Length, MaxSize)];
        var status = HeadParser.Fields(data, this, MaxFields);
        if (status == ParseStatus.Fault)
        {
            Fault = Fault == HttpFault.TooManyHeaders ? HttpFault.TrailersTooLarge : HttpFault.BadTrailer;
            return status;
        }
        if (status == ParseStatus.NeedMore)
        {
            if (data.Length < MaxSize)
                return status;
            Fault = HttpFault.TrailersTooLarge;
            return ParseStatus.Fault;
        }

        if (Count == 0)
            return ParseStatus.Complete;
        Attach(data[..Position].ToArray(), 0);
        foreach (ref readonly var field in Fields)
        {
            if (field.Known.In(Forbidden & ~KnownHeader.Other.Bit()) || IsForbiddenByName(Bytes(field.Name)))
            {
                Fault = HttpFault.ForbiddenTrailer;
                return ParseStatus.Fault;
            }
        }
        return ParseStatus.Complete;
    }

    private static bool IsForbiddenByName(ReadOnlySpan<byte> name)
    {
        if (name.Length > 32)
            return false;
        Span<char> text = stackalloc char[32];
        var length = System.Text.Encoding.ASCII.GetChars(name, text);
        return ForbiddenByName.GetAlternateLookup<ReadOnlySpan<char>>().Contains(text[..length]);
    }
}
