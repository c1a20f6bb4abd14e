using System.Buffers;
using System.Runtime.CompilerServices;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Upstream;

/// <summary>How an answer's body ends (RFC 9112, 6.3).</summary>
internal enum BodyFraming : byte
{
    None,
    Length,
    Chunked,
    UntilClose,
}

/// <summary>
/// One HTTP/1.1 connection to an endpoint. While it is idle a receive is posted on it, so that a close by the server, or bytes that nobody
/// asked for, retire it before anybody sends a request into it.
/// </summary>
/// <remarks>
/// Its life is one word: even while idle, odd while leased, negative once it is dead. Whoever wants to break it (a deadline, a client that
/// has gone) must name the lease, so that a late order never hits the next exchange.
/// </remarks>
internal sealed class UpstreamConnection : UpstreamAnswer
{
    private const int BufferSize = 16 * 1024;
    private const int RelaySize = 64 * 1024;
    private const int Dead = -1;
    /// <summary>What an answer's head may be.</summary>
    public static readonly HeadLimits Limits = new(64 * 1024, 256);


    private readonly ByteChannel _channel;
    // Never pooled: a receive that is cut off by a close may still be writing into it.
    private byte[] _in = GC.AllocateUninitializedArray<byte>(BufferSize);
    private byte[]? _relay;
    private byte[] _at;
    private int _start;
    private int _end;
    private byte[]? _out;
    private ValueTask<int> _posted;
    private bool _hasPosted;
    private ChunkedDecoder _decoder;
    private long _remaining;
    private bool _begun;
    private long _state;

    public UpstreamConnection(ByteChannel channel, EndpointState endpoint, TimerWheel wheel)
        : base(endpoint, wheel)
    {
        _channel = channel;
        _at = _in;
        _state = 1;
        _channel.Received = OnReceived;
    }

    public ByteChannel Channel => _channel;

    /// <summary>Whether it has carried an exchange before: only then may the server have closed it for being idle.</summary>
    public bool IsReused { get; private set; }

    public bool IsDead => Volatile.Read(ref _state) == Dead;

    public override long Lease => Volatile.Read(ref _state);

    /// <summary>When its last exchange ended, in milliseconds of the wheel.</summary>
    public long IdleSince { get; private set; }

    /// <summary>Next in the endpoint's stack of idle connections.</summary>
    public UpstreamConnection? NextIdle { get; set; }

    public bool TryLease()
    {
        var state = Volatile.Read(ref _state);
        if (state < 0 || (state & 1) != 0 || Interlocked.CompareExchange(ref _state, state + 1, state) != state)
            return false;
        IsReused = true;
        Disarm();
        return true;
    }

    public override void Abort(long lease)
    {
        if ((lease & 1) == 1 && Interlocked.CompareExchange(ref _state, Dead, lease) == lease)
            _channel.Abort();
    }

    public override void Return(bool clean) => Endpoint.Return(this, clean);

    /// <summary>Ends the lease: idle again when the server keeps it and it is clean, else closed. False when it is closed.</summary>
    public bool Release(bool clean, long idleDeadline)
    {
        Block = default;
        var lease = Lease;
        if (!clean || !Head.KeepAlive || _start != _end || lease == Dead)
        {
            Close(orderly: clean);
            return false;
        }

        ReturnBuffers();
        _start = _end = 0;
        _begun = false;
        IdleSince = Wheel.NowMs;
        Head.Reset();
        Trailers.Reset();
        Framing = BodyFraming.None;
        if (Interlocked.CompareExchange(ref _state, lease + 1, lease) != lease)
        {
            Close(orderly: false);
            return false;
        }
        _posted = _channel.ReceiveAsync(_in.AsMemory(0, _in.Length - ChunkFraming.Tailroom));
        _hasPosted = true;
        if (_posted.IsCompleted)
        {
            // Closed, or speaking out of turn.
            Retire(lease + 1);
            return false;
        }
        Arm(Wheel, idleDeadline);
        return !IsDead;
    }

    /// <summary>Closes it whatever its state: in order, or so that the server sees the request break off.</summary>
    public void Close(bool orderly)
    {
        Interlocked.Exchange(ref _state, Dead);
        Wheel.Remove(this);
        ReturnBuffers();
        if (orderly)
            _channel.Dispose();
        else
            _channel.Abort();
        Endpoint.Closed();
    }

    /// <summary>Room for a request's head and the part of its body that is at hand.</summary>
    public Span<byte> Out(int size)
    {
        _out ??= ArrayPool<byte>.Shared.Rent(Math.Max(size, BufferSize));
        return _out;
    }

    public ValueTask<bool> SendOutAsync(int length)
    {
        var sending = _channel.SendAsync(_out.AsMemory(0, length));
        // Mostly the kernel takes it at once: the buffer need not wait for the answer.
        if (sending.IsCompletedSuccessfully)
            ReturnOut();
        return sending;
    }

    public ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes) => _channel.SendAsync(bytes);

    /// <summary>Reads on until a head is complete. The outcome says whether anything came at all.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<HeadOutcome> ReadHeadAsync()
    {
        while (true)
        {
            var status = HeadParser.ParseResponse(_in.AsSpan(_start, _end - _start), Head, Limits);
            if (status == ParseStatus.Complete)
                return CompleteHead();
            if (status == ParseStatus.Fault)
            {
                Fault = Head.Fault;
                return HeadOutcome.Malformed;
            }

            var received = await NextAsync();
            if (received <= 0)
                return _begun ? HeadOutcome.Truncated : HeadOutcome.Nothing;
            _begun = true;
            _end += received;
        }
    }

    /// <summary>Passes over a head that announces another one (1xx), once it has been sent on.</summary>
    public void NextHead() => Head.Reset();

    public override void BeginBody(bool toHead)
    {
        _decoder = default;
        _remaining = 0;
        Block = default;
        if (toHead || Head.Status is 204 or 304 || Head.Status < 200)
            Framing = BodyFraming.None;
        else if (Head.Chunked)
            Framing = BodyFraming.Chunked;
        else if (Head.ContentLength >= 0)
        {
            Framing = Head.ContentLength == 0 ? BodyFraming.None : BodyFraming.Length;
            _remaining = Head.ContentLength;
        }
        else
        {
            Framing = BodyFraming.UntilClose;
            Head.KeepAlive = false;
        }
    }

    public override bool TryFirstBlock()
    {
        if (Framing == BodyFraming.None)
        {
            Block = new BodyBlock(_in, _start, 0, true);
            return true;
        }
        return _start < _end && TakeBuffered();
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public override async ValueTask<bool> NextBlockAsync()
    {
        while (true)
        {
            var received = await _channel.ReceiveAsync(Room());
            if (received <= 0)
            {
                // Only an orderly end ends a body that nothing else ends.
                if (received < 0 || Framing != BodyFraming.UntilClose)
                    return false;
                Block = new BodyBlock(_at, _start, 0, true);
                return true;
            }
            _end += received;
            if (TakeBuffered())
                return true;
            if (Fault != HttpFault.None)
                return false;
        }
    }

    /// <summary>What came behind the head of a switch to another protocol.</summary>
    public ReadOnlyMemory<byte> TakeUnread()
    {
        var unread = _at.AsMemory(_start, _end - _start);
        _start = _end;
        return unread;
    }

    protected internal override void OnDeadline()
    {
        var state = Volatile.Read(ref _state);
        if (!TakeExpiry() || state < 0)
            return;
        if ((state & 1) == 0)
        {
            Retire(state);
            return;
        }
        TimedOut = true;
        Abort(state);
    }

    private HeadOutcome CompleteHead()
    {
        Head.Attach(_in, _start);
        Fault = ResponseGuard.Inspect(Head);
        if (Fault != HttpFault.None)
            return HeadOutcome.Malformed;
        _start += Head.Position;
        return Head.IsInformational ? HeadOutcome.Informational : HeadOutcome.Final;
    }

    private ValueTask<int> NextAsync()
    {
        if (_hasPosted)
        {
            _hasPosted = false;
            return _posted;
        }
        if (_start == _end)
            _start = _end = 0;
        if (_in.Length - _end <= ChunkFraming.Tailroom)
            MakeRoom();
        return _channel.ReceiveAsync(_in.AsMemory(_end, _in.Length - _end - ChunkFraming.Tailroom));
    }

    // What interim heads have left behind is used first: only a head that is itself large needs a larger buffer.
    private void MakeRoom()
    {
        var target = _start > _in.Length / 2 ? _in : GC.AllocateUninitializedArray<byte>(_in.Length * 2);
        _in.AsSpan(_start, _end - _start).CopyTo(target);
        _in = _at = target;
        _end -= _start;
        _start = 0;
    }

    // Long bodies go through a buffer of their own, so that a system call moves more; short ones stay where the head came in. The head has
    // been sent on by now: its bytes are free, and become the room before the piece.
    private Memory<byte> Room()
    {
        var unread = _at.AsSpan(_start, _end - _start);
        if (_relay is null && (_remaining > BufferSize || (Framing != BodyFraming.Length && _end > BufferSize / 2)))
        {
            _relay = ArrayPool<byte>.Shared.Rent(RelaySize);
            _at = _relay;
        }
        unread.CopyTo(_at.AsSpan(ChunkFraming.Headroom));
        _start = ChunkFraming.Headroom;
        _end = ChunkFraming.Headroom + unread.Length;
        var most = _at.Length - _end - ChunkFraming.Tailroom;
        return _at.AsMemory(_end, Framing == BodyFraming.Length ? (int)Math.Min(most, _remaining) : most);
    }

    // False when what has come holds no data yet, or a fault.
    private bool TakeBuffered()
    {
        var available = _end - _start;
        if (Framing == BodyFraming.Chunked)
        {
            // What an unfinished trailer section leaves unread is looked at again with the next bytes.
            var status = _decoder.Decode(_at.AsSpan(_start, available), Trailers, out var used, out var produced);
            Fault = status == ChunkStatus.Fault ? _decoder.Fault : Fault;
            Block = new BodyBlock(_at, _start, produced, status == ChunkStatus.Complete);
            _start += used;
            return status == ChunkStatus.Complete || (status == ChunkStatus.NeedMore && produced > 0);
        }

        if (Framing == BodyFraming.Length)
        {
            available = (int)Math.Min(available, _remaining);
            _remaining -= available;
        }
        Block = new BodyBlock(_at, _start, available, Framing == BodyFraming.Length && _remaining == 0);
        _start += available;
        return true;
    }

    private void OnReceived(int received)
    {
        var state = Volatile.Read(ref _state);
        if (state >= 0 && (state & 1) == 0)
            Retire(state);
    }

    // Idle and no longer good: whoever finds it in the stack passes over it.
    private void Retire(long idle)
    {
        if (Interlocked.CompareExchange(ref _state, Dead, idle) == idle)
            Close(orderly: true);
    }

    private void ReturnBuffers()
    {
        if (_relay is not null)
            ArrayPool<byte>.Shared.Return(_relay);
        _relay = null;
        _at = _in;
        ReturnOut();
    }

    private void ReturnOut()
    {
        if (_out is not null)
            ArrayPool<byte>.Shared.Return(_out);
        _out = null;
    }
}

/// <summary>What came of waiting for a head.</summary>
internal enum HeadOutcome : byte
{
    /// <summary>The final head.</summary>
    Final,

    /// <summary>A 1xx head; another one follows.</summary>
    Informational,

    /// <summary>The connection ended before a byte of an answer.</summary>
    Nothing,

    /// <summary>The connection ended within the head.</summary>
    Truncated,

    /// <summary>The answer breaks the rules; see the connection's fault.</summary>
    Malformed,
}
