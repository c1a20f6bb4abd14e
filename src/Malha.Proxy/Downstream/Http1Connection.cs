using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Proxy.Identity;
using Malha.Proxy.SelfProtection;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream;

/// <summary>
/// One client's HTTP/1.1 connection: reads requests, hands each to the pipeline, and decides whether another may follow. While an answer is
/// being made the next receive is already posted, which tells at once when the client has gone.
/// </summary>
internal sealed class Http1Connection : TimerEntry
{
    /// <summary>Enough for the head of almost every request; an idle connection holds no more.</summary>
    private const int BufferSize = 4 * 1024;

    /// <summary>A receive is posted ahead only into room that is worth a system call.</summary>
    private const int MinPostedRoom = 256;

    // Lingering close (nginx's lingering_close): the client must get the answer before a reset for its unread bytes overtakes it.
    private const int LingerMs = 2_000;
    private const int LingerBytes = 64 * 1024;

    private static readonly byte[] LateHeadAnswer = ProblemWriter.LateHead();

    private readonly Http1Listener _listener;
    private readonly DataPlane _plane;
    private readonly TimerWheel _wheel;
    private readonly ReceiveBuffer _buffer = new(BufferSize);
    private readonly IPEndPoint? _remote;
    private byte[]? _clientAddress;
    private byte[]? _forwardedFor;
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

    public Http1Connection(ByteChannel channel, IPEndPoint? remote, Http1Listener listener)
    {
        Channel = channel;
        _remote = remote;
        Peer = Ip.Of(remote?.Address);
        _listener = listener;
        _plane = listener.Plane;
        _wheel = _plane.Wheel;
        channel.Received = OnReceived;
    }

    private enum Phase : byte
    {
        Idle,
        Head,
        Exchange,
        Lingering,
        Tunnel,
    }

    public ByteChannel Channel { get; }

    public TimerWheel Wheel => _wheel;

    /// <summary>Neighbours in the listener's list; written under its lock.</summary>
    public Http1Connection? PreviousOpen { get; set; }

    /// <inheritdoc cref="PreviousOpen"/>
    public Http1Connection? NextOpen { get; set; }

    public IPAddress? RemoteAddress => _remote?.Address;

    /// <summary>The same as a value.</summary>
    public Ip Peer { get; }

    /// <summary>The client's address as text.</summary>
    public ReadOnlySpan<byte> ClientAddress => _clientAddress ??= Encoding.ASCII.GetBytes(AddressText);

    /// <summary>The <c>for</c> and <c>proto</c> parameters of Forwarded (RFC 7239).</summary>
    public ReadOnlySpan<byte> ForwardedFor => _forwardedFor ??= Encoding.ASCII.GetBytes(
        (AddressText.Contains(':', StringComparison.Ordinal) ? $"for=\"[{AddressText}]\";proto=" : $"for={AddressText};proto=") + (IsTls ? "https" : "http"));

    // Nobody behind us knows our interfaces: an IPv6 address goes without its zone, and one that only wraps an IPv4 address as that.
    private string AddressText => RemoteAddress switch
    {
        null => "unknown",
        { IsIPv4MappedToIPv6: true } mapped => mapped.MapToIPv4().ToString(),
        { AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6 } scoped => new IPAddress(scoped.GetAddressBytes()).ToString(),
        var address => address.ToString(),
    };

    public ReadOnlySpan<byte> Scheme => IsTls ? "https"u8 : "http"u8;

    public bool IsTls => Channel.Tls is not null;

    public string ListenerName => _listener.Config.Name;

    public bool PeerIsTrusted => _listener.TrustedProxies.Contains(Peer);

    public NetworkTable TrustedProxies => _listener.TrustedProxies;

    /// <summary>Whether the answer must end the connection: the listener is draining, or the gateway short of resources.</summary>
    public bool MustClose => _listener.IsDraining || !_plane.Protection.KeepsAlive;

    /// <summary>Whether the gateway may open another connection to an endpoint.</summary>
    public bool TryOpenFile() => _plane.Protection.TryOpenFile();

    /// <summary>The gateway's budget for bodies.</summary>
    public BufferBudget Buffers => _plane.Protection.Buffers;

    /// <summary>The date of now, as HTTP writes it.</summary>
    public ReadOnlySpan<byte> DateNow => _plane.Date.Now;

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
            _plane.Failed(exception);
            Channel.Abort();
        }
        _wheel.Remove(this);
        Channel.Dispose();
        // A receive that was posted ahead ends with the channel; only then may its buffer be used for something else.
        if (_hasPosted)
            await _posted;
        _buffer.Release();
        _listener.Ended(this);
        return true;
    }

    /// <summary>Breaks the connection; the client sees a reset, and no cut answer looks complete.</summary>
    public void Abort() => Channel.Abort();

    /// <summary>The listener drains: a connection that rests between two requests ends now, another one after its answer.</summary>
    /// <remarks>Only the receiving half is shut down: a request that has come at the same moment is answered.</remarks>
    public void Drain()
    {
        if (_phase == Phase.Idle)
            Channel.ShutdownReceive();
    }

    /// <summary>Ends the connection if it rests between two requests. One that has not asked yet is left alone: its client has no reason to ask again elsewhere.</summary>
    public bool TryLetGo()
    {
        if (_phase != Phase.Idle || !Volatile.Read(ref _hasServed))
            return false;
        Channel.ShutdownReceive();
        return true;
    }

    /// <summary>Receives a piece of the body into the exchange's own buffer, within the listener's limits for slow clients.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<int> ReceiveBodyAsync(Memory<byte> buffer, long received)
    {
        var receiving = Channel.ReceiveAsync(buffer);
        if (receiving.IsCompletedSuccessfully)
            return receiving.Result;

        var listener = _listener.Config;
        if (_bodyStart == 0)
            _bodyStart = _wheel.NowMs;
        var deadline = _wheel.After(listener.BodyTimeout);
        if (listener.MinBodyRate > 0)
        {
            // By then the bytes that have come would be too few for the time that has passed.
            var grace = (long)Configuration.Defaults.MinBodyRateGrace.Value.TotalMilliseconds;
            deadline = Math.Min(deadline, Math.Max(_wheel.NowMs, _bodyStart + grace + ((received + 1) * 1000 / listener.MinBodyRate)));
        }
        _awaitsBody = true;
        if (_phase != Phase.Lingering && _exchange is not { AwaitsContinue: true })
            Arm(_wheel, deadline);
        var count = await receiving;
        _awaitsBody = false;
        if (_phase != Phase.Lingering)
            Disarm();
        return count;
    }

    /// <summary>The client has been told to go on with its body: from now on its clock runs.</summary>
    public void ExpectBody()
    {
        Arm(_wheel, _wheel.After(_listener.Config.BodyTimeout));
        // The body may have come meanwhile, and its receive have ended.
        if (!_awaitsBody)
            Disarm();
    }

    /// <summary>The request has come in whole: from now on the client's end is noticed, and ends the exchange.</summary>
    public void WatchClient()
    {
        if (Volatile.Read(ref _exchange) is { } exchange && !_hasPosted)
            PostReceive(exchange);
    }

    /// <summary>From now on the connection carries another protocol: bytes both ways, no requests.</summary>
    public ReadOnlyMemory<byte> BeginTunnel()
    {
        _phase = Phase.Tunnel;
        Disarm();
        return _buffer.Array.AsMemory(_buffer.Start, _buffer.Length);
    }

    /// <summary>The receive that was posted ahead, or a new one: for the tunnel's first bytes.</summary>
    public ValueTask<int> ReceiveTunnelAsync(Memory<byte> buffer) => Channel.ReceiveAsync(buffer);

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

        var exchange = _plane.RentExchange();
        var status = ParseHead(exchange);
        if (status == ParseStatus.NeedMore && !await RestOfHeadAsync(exchange))
        {
            if (_phase == Phase.Lingering)
                NoteLateHead(exchange);
            _plane.ReturnExchange(exchange);
            return false;
        }

        exchange.Request.Attach(_buffer.Array, _buffer.Start);
        var fault = exchange.Request.Fault;
        if (fault == HttpFault.None)
            fault = Accept(exchange);
        exchange.Begin(this, _plane.Model, _plane.Time.GetTimestamp());
        exchange.Response.Begin(this, exchange.Request);
        if (fault != HttpFault.None)
        {
            await _plane.Pipeline.RefuseMalformedAsync(exchange, fault);
        }
        else
        {
            _phase = Phase.Exchange;
            _bodyStart = 0;
            Volatile.Write(ref _ticket, exchange.Ticket);
            Volatile.Write(ref _exchange, exchange);
            if (exchange.Body.IsComplete)
                PostReceive(exchange);
            await _plane.Pipeline.RunAsync(exchange);
            Volatile.Write(ref _exchange, null);
        }
        return await FinishAsync(exchange);
    }

    // The head did not come in time. Nothing else sends in this phase, and the receive that waits for it goes on as the lingering one.
    private async Task AnswerLateHeadAsync()
    {
        await Channel.SendAsync(LateHeadAnswer);
        Channel.ShutdownSend();
        Arm(_wheel, _wheel.NowMs + LingerMs);
    }

    // What came of the head is gone with its buffer; that it was late is all there is to tell.
    private void NoteLateHead(Exchange exchange)
    {
        exchange.Request.Reset();
        exchange.Begin(this, _plane.Model, _plane.Time.GetTimestamp());
        exchange.Refusal = new Refusal(RefusalKind.SlowRequest);
        _plane.Telemetry.Began(exchange);
        _plane.Telemetry.Ended(exchange);
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
            if (_listener.IsDraining)
                Channel.ShutdownReceive();
            Arm(_wheel, _wheel.After(_listener.Config.IdleTimeout));
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
        HeadParser.ParseRequest(_buffer.Unread, exchange.Request, _listener.HeadLimits);

    // False when the connection ended, or was answered 408, before the head was complete.
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> RestOfHeadAsync(Exchange exchange)
    {
        _phase = Phase.Head;
        Arm(_wheel, _wheel.After(_listener.Config.HeaderTimeout));
        var lingered = 0;
        while (true)
        {
            _buffer.Compact();
            if (_buffer.Room.IsEmpty && !_buffer.TryGrow(_listener.HeadLimits.MaxSize + 1))
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
        return exchange.Body.Begin(this, _buffer, request);
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
        _plane.ReturnExchange(exchange);
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
        Arm(_wheel, _wheel.NowMs + LingerMs);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> LingerAsync()
    {
        _phase = Phase.Lingering;
        Channel.ShutdownSend();
        Arm(_wheel, _wheel.NowMs + LingerMs);
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
