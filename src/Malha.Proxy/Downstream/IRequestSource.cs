using Malha.Proxy.Http1;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream;

/// <summary>Where one request comes from, and who hears how its exchange goes: a connection of HTTP/1.1, or a stream of HTTP/2.</summary>
internal interface IRequestSource
{
    /// <summary>Receives a piece of the body, within the listener's limits for slow clients.</summary>
    /// <param name="buffer">Has room.</param>
    /// <param name="received">Bytes of the body that have come before.</param>
    /// <returns>As <see cref="ByteChannel.ReceiveAsync"/>.</returns>
    ValueTask<int> ReceiveBodyAsync(Memory<byte> buffer, long received);

    /// <summary>Whether the transport itself has said that nothing more comes (END_STREAM). Where the body's own framing does, never.</summary>
    bool HasEnded { get; }

    /// <summary>What came after a body whose end the transport tells.</summary>
    HttpFault TakeTrailers(TrailerHead trailers);

    /// <summary>The client has been told to go on with its body: from now on its clock runs.</summary>
    void ExpectBody();

    /// <summary>The request has come in whole: from now on the client's end is noticed, and ends the exchange.</summary>
    void WatchClient();

    /// <summary>Breaks the exchange off so that what has been answered does not look complete.</summary>
    void Break();

    /// <summary>From now on another protocol is carried: bytes both ways, no requests.</summary>
    /// <param name="first">What has come already.</param>
    ByteChannel BeginTunnel(out ReadOnlyMemory<byte> first);
}
