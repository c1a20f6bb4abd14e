namespace Malha.Proxy.Transport;

/// <summary>A stream over a channel, for SslStream to stand on.</summary>
/// <remarks>
/// During a handshake certificates are checked, which may block: reads then go on on the thread pool and not on the socket engine's
/// thread (<see cref="HopsOff"/>).
/// </remarks>
internal sealed class ChannelStream(ByteChannel channel) : Stream
{
    public bool HopsOff { get; set; } = true;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // A zero-byte read asks to be told when there is something; SslStream then reads for real.
        if (buffer.IsEmpty)
            return 0;
        var received = await channel.ReceiveAsync(buffer);
        if (HopsOff)
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        return received >= 0 ? received : throw new IOException("The connection broke.");
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!await channel.SendAsync(buffer))
            throw new IOException("The connection broke.");
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
        // Nothing is held back.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
