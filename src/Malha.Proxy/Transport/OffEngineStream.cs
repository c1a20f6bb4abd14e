using System.Net;
using System.Net.Sockets;

namespace Malha.Proxy.Transport;

/// <summary>
/// A socket's stream whose reads and writes go on on the thread pool. Completions are inline in this process: whatever a client library does
/// after a read would otherwise run on the thread that carries traffic.
/// </summary>
internal sealed class OffEngineStream(Socket socket) : Stream
{
    private readonly NetworkStream _inner = new(socket, ownsSocket: true);
    private Action? _closed;

    /// <summary>Told when it is closed.</summary>
    public Action? Closed
    {
        init => _closed = value;
    }

    /// <summary>Connects. Also when that failed the caller goes on on the thread pool.</summary>
    public static async ValueTask<OffEngineStream> ConnectAsync(EndPoint address, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address, cancellation);
        }
        catch
        {
            socket.Dispose();
            await HopAsync();
            throw;
        }
        await HopAsync();
        return new OffEngineStream(socket);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = _inner.ReadAsync(buffer, cancellationToken);
        return read.IsCompleted ? read : HopAsync(read);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var write = _inner.WriteAsync(buffer, cancellationToken);
        return write.IsCompleted ? write : HopAsync(write);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => _inner.Read(buffer, offset, count);

    public override int Read(Span<byte> buffer) => _inner.Read(buffer);

    public override void Write(byte[] buffer, int offset, int count) => _inner.Write(buffer, offset, count);

    public override void Write(ReadOnlySpan<byte> buffer) => _inner.Write(buffer);

    public override void Flush()
    {
        // Nothing is held back.
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Goes on on the thread pool.</summary>
    public static async ValueTask HopAsync() => await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
            Interlocked.Exchange(ref _closed, null)?.Invoke();
        }
        base.Dispose(disposing);
    }

    private static async ValueTask<int> HopAsync(ValueTask<int> read)
    {
        try
        {
            return await read;
        }
        finally
        {
            await HopAsync();
        }
    }

    private static async ValueTask HopAsync(ValueTask write)
    {
        try
        {
            await write;
        }
        finally
        {
            await HopAsync();
        }
    }
}
