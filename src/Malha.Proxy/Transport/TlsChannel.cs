using System.Net.Security;
using System.Runtime.CompilerServices;

namespace Malha.Proxy.Transport;

/// <summary>A channel inside TLS.</summary>
internal sealed class TlsChannel(SslStream stream, ByteChannel inner) : ByteChannel
{
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public override async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        int received;
        try
        {
            received = await stream.ReadAsync(buffer);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            received = Broken;
        }
        Received?.Invoke(received);
        return received;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public override async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer)
    {
        try
        {
            await stream.WriteAsync(buffer);
            return true;
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            return false;
        }
    }

    public override void ShutdownSend() => _ = CloseNotifyAsync();

    public override void ShutdownReceive() => inner.ShutdownReceive();

    public override void Abort() => inner.Abort();

    protected override void Dispose(bool disposing)
    {
        // Not the stream: it may still be read from on another thread, and owns nothing but memory.
        inner.Dispose();
    }

    private async Task CloseNotifyAsync()
    {
        try
        {
            await stream.ShutdownAsync();
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // Gone already: there is nobody left to tell.
        }
        inner.ShutdownSend();
    }
}
