using System.Net;
using System.Runtime.CompilerServices;
using Malha.Proxy.Downstream.Http2;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream;

/// <summary>
/// One client's HTTP/1.1 connection: reads requests, hands each to the pipeline, and decides whether another may follow. While an answer is
/// being made the next receive is already posted, which tells at once when the client has gone.
/// </summary>
internal sealed class Http1Connection : ClientConnection, IRequestSource
{
    /// <summary>Enough for the head of almost every request; an idle connection holds no more.</summary>
    private const int BufferSize = 4 * 1024;

    /// <summary>A receive is posted ahead only into room that is worth a system call.</summary>
    private const int MinPostedRoom = 256;

    // Lingering close (nginx's lingering_close): the client must get the answer before a reset for its unread bytes overtakes it.
    private const int LingerMs = 2_000;
    private const int LingerBytes = 64 * 1024;

    private static readonly byte[] LateHeadAnswer = ProblemWriter.LateHead();

    private readonly ReceiveBuffer _buffer = new(BufferSize);
    private ValueTask<int> _posted;
    private bool _hasPosted;
    private byte[]? _aside;
    private bool _isAside;
    private volatile bool _awaitsBody;
    private Exchange? _exchange;
    private long _ticket;
    private Phase _phase;
    private long _bodyStart;
    private bool _hasServed;
    private bool _isHttp2;

    public Http1Connection(ByteChannel channel, IPEndPoint? remote, ClientListener listener)
        : base(channel, remote, listener) => channel.Received = OnReceived;

    private enum Phase : byte
    {
        Idle,
        Head,
        Exchange,
        Lingering,
        Tunnel,
    }

    /// <summary>Serves the connection to its end.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> RunAsync()
    {
        try
        {
            while (await ServeAsync())
            {
                // One request after the other, until the connection ends.
            }
        }
        catch (Exception exception)
        {
            // An exception here is a bug. It costs this connection and must not leave an inline callback, which would end the process.
            Plane.Failed(exception);
            Channel.Abort();
        }
        Wheel.Remove(this);
        if (_isHttp2)
        {
            Listener.HandOver(this, new Http2Connection(Channel, Remote, Listener), _buffer.Unread);
            _buffer.Release();
            return true;
        }
        Channel.Dispose();
        // A receive that was posted ahead ends with the channel; only then may its buffer be used for something else.
        if (_hasPosted)
            await _posted;
        _buffer.Release();
        Listener.Ended(this);
        return true;
    }

    public override void Abort() => Channel.Abort();

    public void Break() => Channel.Abort();

    /// <inheritdoc/>
    /// <remarks>Only the receiving half is shut down: a request that has come at the same moment is answered.</remarks>
    public override void Drain()
    {
        if (_phase == Phase.Idle)
            Channel.ShutdownReceive();
    }

    public override bool TryLetGo()
    {
        if (_phase != Phase.Idle || !Volatile.Read(ref _hasServed))
            return false;
        Channel.ShutdownReceive();
        return true;
    }

    public bool HasEnded => false;

    public HttpFault TakeTrailers(TrailerHead trailers) => HttpFault.None;

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<int> ReceiveBodyAsync(Memory<byte> buffer, long received)
    {
        var receiving = Channel.ReceiveAsync(buffer);
        if (receiving.IsCompletedSuccessfully)
            return receiving.Result;

        if (_bodyStart == 0)
            _bodyStart = Wheel.NowMs;
        var deadline = BodyDeadline(_bodyStart, received);
        _awaitsBody = true;
        if (_phase != Phase.Lingering && _exchange is not { AwaitsContinue: true })
            Arm(Wheel, deadline);
        var count = await receiving;
        _awaitsBody = false;
        if (_phase != Phase.Lingering)
            Disarm();
        return count;
    }

    public void ExpectBody()
    {
        Arm(Wheel, Wheel.After(Listener.Config.BodyTimeout));
        // The body may have come meanwhile, and its receive have ended.
        if (!_awaitsBody)
            Disarm();
    }

    public void WatchClient()
    {
        if (Volatile.Read(ref _exchange) is { } exchange && !_hasPosted)
            PostReceive(exchange);
    }

    public ByteChannel BeginTunnel(out ReadOnlyMemory<byte> first)
    {
        _phase = Phase.Tunnel;
        Disarm();
        first = _buffer.Array.AsMemory(_buffer.Start, _buffer.Length);
        return Channel;
    }

    protected internal override void OnDeadline()
    {
        var phase = _phase;
        if (!TakeExpiry())
            return;
        switch (phase)
        {
            case Phase.Idle:
                Channel.ShutdownReceive();
                break;
            case Phase.Head:
                // Unless the head's last byte has come just now.
                if (Interlocked.CompareExchange(ref _phase, Phase.Lingering, Phase.Head) == Phase.Head)
                    _ = AnswerLateHeadAsync();
                break;
            case Phase.Exchange:
                // The attempt is broken off, and so is the wait for the body; the pipeline answers 408 if nothing has been answered yet.
                Cancel(CancelReason.SlowBody);
                Channel.ShutdownReceive();
                break;
            default:
                Channel.Abort();
                break;
        }
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> ServeAsync()
    {
        if (!await FirstBytesAsync())
            return false;

        var exchange = Plane.RentExchange();
        var status = ParseHead(exchange);
        if (status == ParseStatus.NeedMore && !await RestOfHeadAsync(exchange))
        {
            if (_phase == Phase.Lingering)
                NoteLateHead(exchange);
            Plane.ReturnExchange(exchange);
            return false;
        }

        // The parser knows the preface of HTTP/2 for another version's request line.
        if (exchange.Request.Fault == HttpFault.UnsupportedVersion && !_hasServed && Http2Connection.BeginsWithPreface(_buffer.Unread))
        {
            Plane.ReturnExchange(exchange);
            _isHttp2 = true;
            return false;
        }

        exchange.Request.Attach(_buffer.Array, _buffer.Start);
        var fault = exchange.Request.Fault;
        if (fault == HttpFault.None)
            fault = Accept(exchange);
        exchange.Begin(this, Plane.Model, Plane.Time.GetTimestamp());
        if (fault != HttpFault.None)
        {
            await Plane.Pipeline.RefuseMalformedAsync(exchange, fault);
        }
        else
        {
            _phase = Phase.Exchange;
            _bodyStart = 0;
            Volatile.Write(ref _ticket, exchange.Ticket);
            Volatile.Write(ref _exchange, exchange);
            if (exchange.Body.IsComplete)
                PostReceive(exchange);
            await Plane.Pipeline.RunAsync(exchange);
            Volatile.Write(ref _exchange, null);
        }
        return await FinishAsync(exchange);
    }

    // The head did not come in time. Nothing else sends in this phase, and the receive that waits for it goes on as the lingering one.
    private async Task AnswerLateHeadAsync()
    {
        await Channel.SendAsync(LateHeadAnswer);
        Channel.ShutdownSend();
        Arm(Wheel, Wheel.NowMs + LingerMs);
    }

    // What came of the head is gone with its buffer; that it was late is all there is to tell.
    private void NoteLateHead(Exchange exchange)
    {
        exchange.Request.Reset();
        exchange.Begin(this, Plane.Model, Plane.Time.GetTimestamp());
        exchange.Refusal = new Refusal(RefusalKind.SlowRequest);
        Plane.Telemetry.Began(exchange);
        Plane.Telemetry.Ended(exchange);
    }

    // Waits for a request to begin.
    private ValueTask<bool> FirstBytesAsync()
    {
        if (!_buffer.IsEmpty && !_hasPosted)
            return new ValueTask<bool>(true);
        if (_hasPosted && _posted.IsCompletedSuccessfully)
        {
            _hasPosted = false;
            return new ValueTask<bool>(Took(_posted.Result));
        }
        return WaitForBytesAsync();
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> WaitForBytesAsync()
    {
        if (!_hasPosted)
        {
            _buffer.Compact();
            _posted = Channel.ReceiveAsync(_buffer.Room);
        }
        _hasPosted = false;
        var idle = _buffer.IsEmpty;
        if (idle)
        {
            // In this order: either the listener, which says that it drains before it looks at the phase, sees it, or this sees the listener.
            Interlocked.Exchange(ref _phase, Phase.Idle);
            if (Listener.IsDraining)
                Channel.ShutdownReceive();
            Arm(Wheel, Wheel.After(Listener.Config.IdleTimeout));
        }
        var received = await _posted;
        if (idle)
            Disarm();
        return Took(received);
    }

    private bool Took(int received)
    {
        if (received <= 0)
            return false;
        if (!_isAside)
            _buffer.Received(received);
        _buffer.Compact();
        if (_isAside)
            _buffer.Append(_aside.AsSpan(0, received));
        _isAside = false;
        return true;
    }

    private ParseStatus ParseHead(Exchange exchange) =>
        HeadParser.ParseRequest(_buffer.Unread, exchange.Request, Listener.HeadLimits);

    // False when the connection ended, or was answered 408, before the head was complete.
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> RestOfHeadAsync(Exchange exchange)
    {
        _phase = Phase.Head;
        Arm(Wheel, Wheel.After(Listener.Config.HeaderTimeout));
        var lingered = 0;
        while (true)
        {
            _buffer.Compact();
            if (_buffer.Room.IsEmpty && !_buffer.TryGrow(Listener.HeadLimits.MaxSize + 1))
            {
                _buffer.Release();
                _buffer.Compact();
            }
            var received = await Channel.ReceiveAsync(_buffer.Room);
            if (received <= 0)
                return false;
            if (_phase == Phase.Lingering)
            {
                if ((lingered += received) > LingerBytes)
                    return false;
                continue;
            }
            _buffer.Received(received);
            if (ParseHead(exchange) == ParseStatus.NeedMore)
                continue;
            Disarm();
            return Interlocked.CompareExchange(ref _phase, Phase.Exchange, Phase.Head) == Phase.Head;
        }
    }

    // A well-formed head: is it one that may go on, and is what came of its body good?
    private HttpFault Accept(Exchange exchange)
    {
        var request = exchange.Request;
        var fault = RequestGuard.Inspect(request);
        if (fault != HttpFault.None)
            return fault;
        _buffer.Consume(request.Position);
        return exchange.Body.Begin(this, this, _buffer, request);
    }

    // The next request's receive, ahead of time: its end tells that the client has gone.
    private void PostReceive(Exchange exchange)
    {
        if (!_buffer.IsEmpty || !exchange.Body.Leftover.IsEmpty || exchange.Request.WantsUpgrade)
            return;
        // Head and body may fill the buffer, and are still needed.
        _isAside = _buffer.Room.Length < MinPostedRoom;
        // Set first: the callback may run before this line has been left.
        _hasPosted = true;
        _posted = Channel.ReceiveAsync(_isAside ? _aside ??= new byte[MinPostedRoom] : _buffer.Room);
        if (_posted.IsCompletedSuccessfully)
        {
            // A finished value source may be read once: keep the outcome itself.
            var received = _posted.Result;
            _posted = new ValueTask<int>(received);
            if (received <= 0)
                Cancel(CancelReason.ClientGone);
        }
    }

    private void OnReceived(int received)
    {
        if (received <= 0 && _hasPosted)
            Cancel(CancelReason.ClientGone);
    }

    // From any thread, which may come late: the exchange then serves somebody else already, under another ticket.
    private void Cancel(CancelReason reason)
    {
        if (Volatile.Read(ref _exchange) is { } exchange)
            exchange.Cancel(reason, Volatile.Read(ref _ticket));
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> FinishAsync(Exchange exchange)
    {
        if (exchange.HasUpload && exchange.Body.IsComplete)
        {
            // All of it has come in, and the answer is here: what is left is the upload's last step.
            await exchange.Upload;
            exchange.HasUpload = false;
        }
        else if (exchange.HasUpload)
        {
            // The answer came before the request's end. What the client still sends ends the upload, or the linger time does.
            BeginLingering(exchange);
            await exchange.Upload;
            exchange.HasUpload = false;
        }
        else if (exchange.Body.IsReceiving)
        {
            // The same, and nobody was sent anything: the receive must end before its buffer goes to somebody else.
            BeginLingering(exchange);
            await exchange.Body.SettleAsync();
        }

        var keepAlive = exchange.Response.KeepAlive && exchange.Body.IsComplete;
        var answered = exchange.Response.HeadSent;
        var unread = !exchange.Body.IsComplete || exchange.Body.Fault != HttpFault.None || exchange.Request.Fault != HttpFault.None || !_buffer.IsEmpty;
        if (keepAlive && !exchange.Body.Leftover.IsEmpty)
        {
            _buffer.Compact();
            _buffer.Append(exchange.Body.Leftover.Span);
        }
        Plane.ReturnExchange(exchange);
        if (keepAlive)
            return _hasServed = true;
        if (answered && unread && _phase != Phase.Tunnel)
            await LingerAsync();
        return false;
    }

    private void BeginLingering(Exchange exchange)
    {
        _phase = Phase.Lingering;
        if (exchange.Response.HeadSent)
            Channel.ShutdownSend();
        Arm(Wheel, Wheel.NowMs + LingerMs);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> LingerAsync()
    {
        _phase = Phase.Lingering;
        Channel.ShutdownSend();
        Arm(Wheel, Wheel.NowMs + LingerMs);
        var received = 0;
        if (_hasPosted)
        {
            _hasPosted = false;
            received = await _posted;
            if (received <= 0)
                return false;
        }

        _buffer.Release();
        _buffer.Compact();
        for (var left = LingerBytes - received; left > 0; left -= received)
        {
            received = await Channel.ReceiveAsync(_buffer.Room);
            if (received <= 0)
                return false;
        }
        return true;
    }
}
