namespace Malha.Proxy.Http1;

/// <summary>Fields that the data plane itself reads, drops or writes. Every other one passes as it came.</summary>
internal enum KnownHeader : byte
{
    Other = 0,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    KeepAlive,
    ProxyConnection,
    ProxyAuthorization,
    TE,
    Trailer,
    Upgrade,
    Expect,
    Via,
    Forwarded,
    XForwardedFor,
    XForwardedProto,
    XForwardedHost,
    XRequestId,
    TraceParent,
    TraceState,
    Date,
    ContentType,
    IdempotencyKey,
    RetryAfter,
    ProxyAuthenticate,
    Http2Settings,
    MalhaTimeout,
    MalhaAttempt,
    MalhaClass,
    UserAgent,
    XApiKey,
    Authorization,
    GrpcTimeout,
    GrpcStatus,
    MalhaOperation,
    Count,
}

/// <summary>From a field's name, in any case, to what it means here.</summary>
internal static class KnownHeaders
{
    /// <summary>Bits of <see cref="KnownHeader"/> for fields that belong to one connection and never pass (RFC 9110, 7.6.1).</summary>
    public const ulong HopByHop =
        1UL << (int)KnownHeader.Connection | 1UL << (int)KnownHeader.KeepAlive | 1UL << (int)KnownHeader.ProxyConnection
        | 1UL << (int)KnownHeader.TransferEncoding | 1UL << (int)KnownHeader.ContentLength | 1UL << (int)KnownHeader.TE
        | 1UL << (int)KnownHeader.Upgrade | 1UL << (int)KnownHeader.ProxyAuthorization | 1UL << (int)KnownHeader.ProxyAuthenticate
        | 1UL << (int)KnownHeader.Http2Settings;

    public static KnownHeader Find(ReadOnlySpan<byte> name)
    {
        var (bytes, header) = Candidate(name);
        return header != KnownHeader.Other && HttpSyntax.EqualsIgnoreCase(name, bytes) ? header : KnownHeader.Other;
    }

    public static bool In(this KnownHeader header, ulong set) => (set >> (int)header & 1) != 0;

    public static ulong Bit(this KnownHeader header) => 1UL << (int)header;

    // The only name that could be meant, by length and one letter: no table to search, one comparison to confirm.
    private static ByteName Candidate(ReadOnlySpan<byte> name) => (name.Length, name.IsEmpty ? 0 : name[0] | 0x20) switch
    {
        (2, 't') => new("te"u8, KnownHeader.TE),
        (3, 'v') => new("via"u8, KnownHeader.Via),
        (4, 'h') => new("host"u8, KnownHeader.Host),
        (4, 'd') => new("date"u8, KnownHeader.Date),
        (6, 'e') => new("expect"u8, KnownHeader.Expect),
        (7, 't') => new("trailer"u8, KnownHeader.Trailer),
        (7, 'u') => new("upgrade"u8, KnownHeader.Upgrade),
        (9, 'f') => new("forwarded"u8, KnownHeader.Forwarded),
        (9, 'x') => new("x-api-key"u8, KnownHeader.XApiKey),
        (10, 'c') => new("connection"u8, KnownHeader.Connection),
        (10, 'k') => new("keep-alive"u8, KnownHeader.KeepAlive),
        (10, 't') => new("tracestate"u8, KnownHeader.TraceState),
        (10, 'u') => new("user-agent"u8, KnownHeader.UserAgent),
        (11, 'm') => new("malha-class"u8, KnownHeader.MalhaClass),
        (11, 'r') => new("retry-after"u8, KnownHeader.RetryAfter),
        (11, 't') => new("traceparent"u8, KnownHeader.TraceParent),
        (11, 'g') => new("grpc-status"u8, KnownHeader.GrpcStatus),
        (12, 'c') => new("content-type"u8, KnownHeader.ContentType),
        (12, 'g') => new("grpc-timeout"u8, KnownHeader.GrpcTimeout),
        (12, 'x') => new("x-request-id"u8, KnownHeader.XRequestId),
        (13, 'a') => new("authorization"u8, KnownHeader.Authorization),
        (13, 'm') when (name[6] | 0x20) == 't' => new("malha-timeout"u8, KnownHeader.MalhaTimeout),
        (13, 'm') => new("malha-attempt"u8, KnownHeader.MalhaAttempt),
        (14, 'c') => new("content-length"u8, KnownHeader.ContentLength),
        (14, 'h') => new("http2-settings"u8, KnownHeader.Http2Settings),
        (15, 'm') => new("malha-operation"u8, KnownHeader.MalhaOperation),
        (15, 'i') => new("idempotency-key"u8, KnownHeader.IdempotencyKey),
        (15, 'x') => new("x-forwarded-for"u8, KnownHeader.XForwardedFor),
        (16, 'p') => new("proxy-connection"u8, KnownHeader.ProxyConnection),
        (16, 'x') => new("x-forwarded-host"u8, KnownHeader.XForwardedHost),
        (17, 't') => new("transfer-encoding"u8, KnownHeader.TransferEncoding),
        (17, 'x') => new("x-forwarded-proto"u8, KnownHeader.XForwardedProto),
        (18, 'p') => new("proxy-authenticate"u8, KnownHeader.ProxyAuthenticate),
        (19, 'p') => new("proxy-authorization"u8, KnownHeader.ProxyAuthorization),
        _ => default,
    };

    private readonly ref struct ByteName(ReadOnlySpan<byte> name, KnownHeader header)
    {
        private readonly ReadOnlySpan<byte> _name = name;
        private readonly KnownHeader _header = header;

        public void Deconstruct(out ReadOnlySpan<byte> name, out KnownHeader header)
        {
            name = _name;
            header = _header;
        }
    }
}
