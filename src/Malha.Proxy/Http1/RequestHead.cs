namespace Malha.Proxy.Http1;

/// <summary>Methods that the data plane treats by name.</summary>
internal enum HttpMethodKind : byte
{
    Other = 0,
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Trace,
    Patch,
    Connect,
}

internal sealed class RequestHead : MessageHead
{
    public Slice Method { get; set; }

    public HttpMethodKind Kind { get; set; }

    public Slice Target { get; set; }

    /// <summary>Path of the target, beginning with a slash; empty when the target is <c>*</c> or an absolute form without a path.</summary>
    public Slice Path { get; set; }

    /// <summary>Query with its question mark; empty when there is none.</summary>
    public Slice Query { get; set; }

    /// <summary>Host and port: of the target's absolute form, else of the Host header.</summary>
    public Slice Authority { get; set; }

    public bool IsAsterisk { get; set; }

    public bool ExpectsContinue { get; set; }

    /// <summary>Whether the client asks for another protocol (and not HTTP/2 in clear, which would bypass every rule).</summary>
    public bool WantsUpgrade { get; set; }

    public bool HasBody => Chunked || ContentLength > 0;

    /// <summary>Safe to send again when it is not known whether it was executed (RFC 9110, 9.2.2).</summary>
    /// <summary>Whether it may be executed twice: by its method, or since the service is told by which key to know it again.</summary>
    public bool MayRunTwice => IsIdempotent || Has(KnownHeader.IdempotencyKey);

    public bool IsIdempotent => Kind is HttpMethodKind.Get or HttpMethodKind.Head or HttpMethodKind.Put or HttpMethodKind.Delete
        or HttpMethodKind.Options or HttpMethodKind.Trace;

    public static HttpMethodKind KindOf(ReadOnlySpan<byte> method) => method.Length switch
    {
        3 when method.SequenceEqual("GET"u8) => HttpMethodKind.Get,
        3 when method.SequenceEqual("PUT"u8) => HttpMethodKind.Put,
        4 when method.SequenceEqual("HEAD"u8) => HttpMethodKind.Head,
        4 when method.SequenceEqual("POST"u8) => HttpMethodKind.Post,
        5 when method.SequenceEqual("PATCH"u8) => HttpMethodKind.Patch,
        5 when method.SequenceEqual("TRACE"u8) => HttpMethodKind.Trace,
        6 when method.SequenceEqual("DELETE"u8) => HttpMethodKind.Delete,
        7 when method.SequenceEqual("OPTIONS"u8) => HttpMethodKind.Options,
        7 when method.SequenceEqual("CONNECT"u8) => HttpMethodKind.Connect,
        _ => HttpMethodKind.Other,
    };

    public override void Reset()
    {
        base.Reset();
        Method = default;
        Kind = HttpMethodKind.Other;
        Target = default;
        Path = default;
        Query = default;
        Authority = default;
        IsAsterisk = false;
        ExpectsContinue = false;
        WantsUpgrade = false;
    }
}
