using System.Buffers;
using System.Buffers.Binary;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Tls;

/// <summary>
/// What SslStream stands on: a channel's bytes as they come from the wire. It hands them out record by record, so that SslStream never holds a piece of the next
/// one, and a whole record is gathered before SslStream is asked at all: it then never waits, and none of its own waiting is paid for.
/// </summary>
/// <remarks>
/// During a handshake certificates are checked, which may block: whatever had to wait goes on on the thread pool and not on the socket engine's
/// thread (<see cref="HopsOff"/>). A broken connection is told by <see cref="IsBroken"/> and <see cref="HasEnded"/>, and not by exceptions.
/// </remarks>
internal sealed class TlsTransport(ByteChannel channel) : Stream
{
    /// <summary>Room for the record of almost every request; a connection that rests holds no more.</summary>
    private const int SmallSize = 2 * 1024;

    private const int LargeSize = 64 * 1024;

    private const int HeaderSize = 5;

    /// <summary>The most that a record may hold (RFC 5246, 6.2.3; TLS 1.3 allows less).</summary>
    private const int MaxRecord = HeaderSize + (16 * 1024) + 2048;

    /// <summary>
    /// Records in a row that hold nothing for the reader (tickets, new keys). OpenSSL answers each demand for new keys at once, into memory that only our
    /// next send empties: a peer that goes on and on would fill it.
    /// </summary>
    internal const int MaxSilence = 256;

    private const byte Handshake = 22;

    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private int _recordLeft;
    private int _lastReceived;
    private bool _wasFull;

    /// <summary>Whether what had to wait goes on on the thread pool.</summary>
    public bool HopsOff { get; set; } = true;

    /// <summary>The peer has ended the connection, and SslStream wanted more: without the notice that its TLS would have given first.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>A send has failed, or what came is no TLS.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>How many records have been handed out since our last send that held nothing for the reader. Set by whoever reads and sends.</summary>
    public int Silence { get; set; }

    /// <summary>Whether a whole record is at hand.</summary>
    public bool HasRecord => _recordLeft > 0 || (_end - _start >= HeaderSize && _end - _start >= RecordLength);

    /// <summary>Whether what has come first can be a client's hello.</summary>
    public bool BeginsHandshake => _start < _end && _buffer[_start] == Handshake;

    /// <summary>What has come and not been used.</summary>
    public ReadOnlySpan<byte> Unread => _buffer.AsSpan(_start, _end - _start);

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    private int RecordLength => HeaderSize + BinaryPrimitives.ReadUInt16BigEndian(_buffer.AsSpan(_start + 3));

    /// <summary>Where the next bytes go.</summary>
    public Memory<byte> Room()
    {
        var unread = _end - _start;
        // A connection that rests gives a large buffer back; one that carries much gets one, so that a system call brings several records.
        if (_buffer.Length == 0)
            _buffer = ArrayPool<byte>.Shared.Rent(SmallSize);
        else if (unread == 0 && _buffer.Length > SmallSize && _lastReceived <= SmallSize)
            Replace(SmallSize);
        else if (_buffer.Length < LargeSize && (_wasFull || (unread >= HeaderSize && RecordLength > _buffer.Length)))
            Replace(LargeSize);
        if (_start > 0)
        {
            _buffer.AsSpan(_start, unread).CopyTo(_buffer);
            (_start, _end) = (0, unread);
        }
        return _buffer.AsMemory(_end);
    }

    /// <summary>So many bytes have come into the room. False when there is nothing to wait for any more.</summary>
    public bool Received(int count)
    {
        if (count <= 0)
        {
            HasEnded = true;
            return false;
        }
        _end += count;
        _lastReceived = count;
        _wasFull = _end == _buffer.Length;
        if (_end - _start < HeaderSize || RecordLength <= MaxRecord || _recordLeft > 0)
            return true;
        HasEnded = IsBroken = true;
        return false;
    }

    /// <summary>Gives the buffer back. No receive may be under way.</summary>
    public void Release()
    {
        if (_buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _start = _end = 0;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // A read of nothing asks to be told when there is something; SslStream then reads for real.
        if (buffer.IsEmpty || IsTooSilent())
            return new ValueTask<int>(0);
        return HasRecord ? new ValueTask<int>(Take(buffer.Span)) : ReadSlowlyAsync(buffer);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var sending = channel.SendAsync(buffer);
        if (!sending.IsCompletedSuccessfully)
            return WriteSlowlyAsync(sending);
        IsBroken |= !sending.Result;
        return ValueTask.CompletedTask;
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

    // SslStream's last word after a certificate that it does not take is said in this way. It is small and the first that is under way: the kernel has room for it.
    public override void Write(byte[] buffer, int offset, int count) => _ = WriteAsync(buffer, offset, count, CancellationToken.None);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    // In a handshake; afterwards only when a record held nothing for the reader (a session ticket), since a record is there before anybody reads.
    private async ValueTask<int> ReadSlowlyAsync(Memory<byte> buffer)
    {
        while (!HasRecord)
        {
            var receiving = channel.ReceiveAsync(Room());
            var hops = HopsOff && !receiving.IsCompleted;
            var received = await receiving;
            if (hops)
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            if (!Received(received))
                return 0;
        }
        return Take(buffer.Span);
    }

    // The handshake has a deadline of its own, and few records.
    private bool IsTooSilent()
    {
        if (HopsOff || _recordLeft > 0 || Silence <= MaxSilence)
            return false;
        HasEnded = IsBroken = true;
        return true;
    }

    private async ValueTask WriteSlowlyAsync(ValueTask<bool> sending)
    {
        var sent = await sending;
        if (HopsOff)
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        IsBroken |= !sent;
    }

    private int Take(Span<byte> target)
    {
        if (_recordLeft == 0)
        {
            _recordLeft = RecordLength;
            Silence++;
        }
        var count = Math.Min(_recordLeft, target.Length);
        _buffer.AsSpan(_start, count).CopyTo(target);
        _start += count;
        _recordLeft -= count;
        return count;
    }

    private void Replace(int size)
    {
        var other = ArrayPool<byte>.Shared.Rent(size);
        var unread = _end - _start;
        _buffer.AsSpan(_start, unread).CopyTo(other);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = other;
        (_start, _end) = (0, unread);
        _wasFull = false;
    }
}
