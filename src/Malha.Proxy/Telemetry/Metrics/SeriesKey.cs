using Malha.Proxy.Http1;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>Versions of HTTP as <c>network.protocol.version</c> tells them apart.</summary>
internal enum HttpVersionKind : byte
{
    Http10,
    Http11,
    Http2,
    Http3,
}

/// <summary>What tells the time series of one route or endpoint apart, in one word.</summary>
internal readonly record struct SeriesKey
{
    private readonly uint _packed;

    /// <param name="method">The method; all unknown ones share one value.</param>
    /// <param name="status">The status; 0 when there was none. One that IANA does not know counts as its class's first, as RFC 9110 15 reads it.</param>
    /// <param name="failure">Why Malha answered or ended it itself; None when the status tells all.</param>
    /// <param name="version">The client's version of HTTP, or the one spoken to the endpoint.</param>
    /// <param name="isTls">Whether the connection was encrypted.</param>
    public SeriesKey(HttpMethodKind method, int status, RefusalKind failure, HttpVersionKind version, bool isTls) =>
        _packed = (uint)method | (uint)KnownStatus.Of(status) << 4 | (uint)failure << 14 | (uint)version << 22 | (isTls ? 1u << 24 : 0);

    public HttpMethodKind Method => (HttpMethodKind)(_packed & 0xF);

    public int Status => (int)(_packed >> 4 & 0x3FF);

    public RefusalKind Failure => (RefusalKind)(_packed >> 14 & 0xFF);

    public HttpVersionKind Version => (HttpVersionKind)(_packed >> 22 & 0x3);

    public bool IsTls => (_packed >> 24 & 1) != 0;

    /// <summary>Spread over all bits (Fibonacci hashing): the top ones choose the slot.</summary>
    public uint Hash => _packed * 0x9E3779B1;
}
