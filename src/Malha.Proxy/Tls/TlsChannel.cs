using System.Net.Security;
using System.Runtime.CompilerServices;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Tls;

/// <summary>A channel inside TLS.</summary>
/// <remarks>
/// An end of the connection that TLS has not announced is a break: whoever cuts the wire must not make a shortened answer look whole (RFC 9112, 9.8).
/// What OpenSSL holds for the session is given back as soon as nobody uses it any more, and not when the collector comes by.
/// </remarks>
internal sealed class TlsChannel(SslStream stream, TlsTransport transport, ByteChannel inner, TlsSession session) : ByteChannel
{
    // OpenSSL bears one call at a time on a session. SslStream keeps its reads and its writes apart, but not its last word.
    private readonly Lock _session = new();
    private bool _mayHoldMore;
    private bool _hasSaidEnd;
    private volatile bool _isReceiving;
    private volatile bool _isClosed;
    private int _freed;

    public override TlsSession Tls => session;

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public override async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        _isReceiving = true;
        var hadToWait = false;
        var received = 1;
        try
        {
            // SslStream has something left only when the last buffer was filled to its end.
            while (!_mayHoldMore && received > 0 && !transport.HasRecord)
            {
                var receiving = inner.ReceiveAsync(transport.Room());
                hadToWait |= !receiving.IsCompleted;
                if (!transport.Received(await receiving))
                    received = Broken;
            }
            if (received > 0)
            {
                var reading = Read(buffer);
                hadToWait |= !reading.IsCompleted;
                received = await reading;
                _mayHoldMore = received == buffer.Length;
                if (received > 0 && transport.Silence > 0)
                    transport.Silence--;
                if (received == 0 && transport.HasEnded)
                    received = Broken;
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException or NotSupportedException)
        {
            received = Broken;
        }
        if (hadToWait)
            Received?.Invoke(received);
        _isReceiving = false;
        // Either this sees that the channel is closed, or whoever closes it sees that nothing is received.
        Interlocked.MemoryBarrier();
        if (_isClosed)
            Free();
        return received;
    }

    public override ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer)
    {
        try
        {
            transport.Silence = 0;
            var writing = stream.WriteAsync(buffer);
            if (!writing.IsCompletedSuccessfully)
                return SendSlowlyAsync(writing);
            writing.GetAwaiter().GetResult();
            return new ValueTask<bool>(!transport.IsBroken);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            return new ValueTask<bool>(false);
        }
    }

    public override void ShutdownSend()
    {
        if (SayEnd() is { IsCompleted: false } saying)
            _ = ShutdownAfterAsync(saying);
        else
            inner.ShutdownSend();
    }

    public override void ShutdownReceive() => inner.ShutdownReceive();

    public override void Abort()
    {
        inner.Abort();
        Close();
    }

    protected override void Dispose(bool disposing)
    {
        if (!_isClosed)
            SayEnd();
        inner.Dispose();
        Close();
    }

    private ValueTask<int> Read(Memory<byte> buffer)
    {
        lock (_session)
            return stream.ReadAsync(buffer);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> SendSlowlyAsync(ValueTask writing)
    {
        try
        {
            await writing;
            return !transport.IsBroken;
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            return false;
        }
    }

    // The notice without which the peer would have to take the end for a break. Null when it was given, or cannot be.
    private Task? SayEnd()
    {
        lock (_session)
        {
            if (_hasSaidEnd || _isClosed || transport.IsBroken)
                return null;
            _hasSaidEnd = true;
            try
            {
                return stream.ShutdownAsync();
            }
            catch (Exception)
            {
                // Gone already, or in the middle of something that only OpenSSL has a name for (a renegotiation that was refused): SslStream wraps
                // what goes wrong in a read or a write, and not this. There is nobody left to tell.
                return null;
            }
        }
    }

    private async Task ShutdownAfterAsync(Task saying)
    {
        try
        {
            await saying;
        }
        catch (Exception)
        {
            // As above.
        }
        inner.ShutdownSend();
    }

    private void Close()
    {
        _isClosed = true;
        Interlocked.MemoryBarrier();
        if (!_isReceiving)
            Free();
    }

    private void Free()
    {
        if (Interlocked.Exchange(ref _freed, 1) != 0)
            return;
        lock (_session)
            stream.Dispose();
        transport.Release();
    }
}
