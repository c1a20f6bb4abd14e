using Malha.Proxy.Tls;

namespace Malha.Proxy.Transport;

/// <summary>
/// A byte stream to a peer: the one thing that both HTTP/1.1 sides read from and write to. One receive and one send may be under way at a time.
/// </summary>
/// <remarks>
/// Failures are values: a connection that breaks is everyday here and must cost no exception. Operations complete inline
/// on the socket engine's thread, so whoever continues them must not block.
/// </remarks>
internal abstract class ByteChannel : IDisposable
{
    /// <summary>What <see cref="ReceiveAsync"/> answers when the connection broke (reset, aborted by us).</summary>
    public const int Broken = -1;

    /// <summary>
    /// Called with the outcome of each receive that had to wait, before whoever awaits it goes on. A receive is posted ahead of its use
    /// (the next request, the next answer), and this is how its owner learns at once that the peer has gone. Must be quick and must not throw.
    /// </summary>
    public Action<int>? Received { get; set; }

    /// <summary>What the handshake came to; null in clear.</summary>
    public virtual TlsSession? Tls => null;

    /// <summary>Bytes received; 0 at the peer's orderly end; <see cref="Broken"/> after a failure.</summary>
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer);

    /// <summary>Sends all of it. False when the connection broke.</summary>
    public abstract ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer);

    /// <summary>Says that nothing more will come (FIN, close_notify); receiving goes on.</summary>
    public abstract void ShutdownSend();

    /// <summary>Takes no more: the receive under way answers 0, unless bytes have come; sending goes on. From any thread.</summary>
    public abstract void ShutdownReceive();

    /// <summary>Breaks the connection at once, from any thread: the peer sees a reset, operations under way answer <see cref="Broken"/>.</summary>
    public abstract void Abort();

    /// <summary>Ends the connection in order. No operation may be under way.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
