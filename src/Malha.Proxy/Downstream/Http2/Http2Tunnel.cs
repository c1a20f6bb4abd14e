using System.Runtime.CompilerServices;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>The bytes of an extended CONNECT (RFC 8441), both ways, as a channel.</summary>
internal sealed class Http2Tunnel(Http2Stream owner, Stream bytes) : ByteChannel
{
    private readonly CancellationTokenSource _receiveEnd = new();

    public static Http2Tunnel Over(Http2Stream owner, Stream bytes) => new(owner, bytes);

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public override async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        try
        {
            return await bytes.ReadAsync(buffer, _receiveEnd.Token);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            return Broken;
        }
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public override async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer)
    {
        try
        {
            await bytes.WriteAsync(buffer);
            await bytes.FlushAsync();
            return true;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>END_STREAM from us; the client may go on.</summary>
    public override void ShutdownSend() => ThreadPool.UnsafeQueueUserWorkItem(static owner => _ = owner.CompleteAsync(), owner, preferLocal: false);

    public override void ShutdownReceive() => _ = _receiveEnd.CancelAsync();

    public override void Abort() => owner.Break();

    protected override void Dispose(bool disposing) => _receiveEnd.Dispose();
}
