using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Microsoft.AspNetCore.Http.Features;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>One request over HTTP/2 and its way through the pipeline. Kestrel's stream object keeps it from one request to the next.</summary>
internal sealed class Http2Stream : TimerEntry, IRequestSource
{
    /// <summary>INTERNAL_ERROR (RFC 9113, 7): what a client gets instead of a cut answer's end.</summary>
    private const int InternalError = 2;

    private readonly DataPlane _plane;
    private readonly IFeatureCollection _features;
    private readonly Http2ResponseWriter _response;
    private Http2Connection _connection = null!;
    private byte[]? _head;
    private PipeReader _reader = null!;
    private Http2Tunnel? _tunnel;
    private Exchange? _exchange;
    private long _ticket;
    private long _bodyStart;
    private CancellationTokenRegistration _watching;
    private bool _isWatching;
    private volatile bool _isOver;

    public Http2Stream(DataPlane plane, IFeatureCollection features)
    {
        _plane = plane;
        _features = features;
        _response = new Http2ResponseWriter(this);
    }

    public IFeatureCollection Features => _features;

    public bool HasEnded { get; private set; }

    /// <summary>Serves one request. What Kestrel does after it never runs on a thread of the socket engine.</summary>
    public async Task RunAsync()
    {
        _connection = _features.Get<Http2Connection>()!;
        _connection.StreamBegan();
        try
        {
            await ServeAsync();
        }
        catch (Exception exception)
        {
            // A bug; it costs this stream.
            _plane.Failed(exception);
            Break();
        }
        _connection.StreamEnded();
        if (!Thread.CurrentThread.IsThreadPoolThread)
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<int> ReceiveBodyAsync(Memory<byte> buffer, long received)
    {
        try
        {
            while (!_isOver)
            {
                if (!_reader.TryRead(out var result))
                {
                    ArmBody(received);
                    result = await _reader.ReadAsync();
                    Disarm();
                }
                if (result.IsCanceled)
                {
                    _reader.AdvanceTo(result.Buffer.Start);
                    return ByteChannel.Broken;
                }
                var count = (int)Math.Min(result.Buffer.Length, buffer.Length);
                result.Buffer.Slice(0, count).CopyTo(buffer.Span);
                HasEnded = result.IsCompleted && count == result.Buffer.Length;
                _reader.AdvanceTo(result.Buffer.GetPosition(count));
                if (count > 0 || HasEnded)
                    return count;
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            // Reset by the client, not as long as it was announced, or the connection is gone.
        }
        Disarm();
        return ByteChannel.Broken;
    }

    public HttpFault TakeTrailers(TrailerHead trailers)
    {
        if (_features.Get<IHttpRequestTrailersFeature>() is not { Available: true, Trailers: { Count: > 0 } fields })
            return HttpFault.None;
        return FieldText.Read(fields, trailers);
    }

    public void ExpectBody()
    {
        // Kestrel has told the client to go on when its body was first read.
    }

    public void WatchClient()
    {
        if (_isWatching || Volatile.Read(ref _exchange) is null)
            return;
        _isWatching = true;
        _watching = _features.Get<IHttpRequestLifetimeFeature>()!.RequestAborted.UnsafeRegister(static stream => ((Http2Stream)stream!).Cancel(CancelReason.ClientGone), this);
    }

    public void Break() => _features.Get<IHttpResetFeature>()?.Reset(InternalError);

    public ByteChannel BeginTunnel(out ReadOnlyMemory<byte> first)
    {
        first = default;
        Disarm();
        return _tunnel!;
    }

    /// <summary>Takes the extended CONNECT: its head goes out, and from now on bytes.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> AcceptTunnelAsync()
    {
        try
        {
            _tunnel = Http2Tunnel.Over(this, await _features.Get<IHttpExtendedConnectFeature>()!.AcceptAsync());
            return true;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>END_STREAM, while the client may still send.</summary>
    public async Task CompleteAsync()
    {
        try
        {
            await _features.Get<IHttpResponseBodyFeature>()!.CompleteAsync();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            // Gone already: there is nobody left to tell.
        }
    }

    protected internal override void OnDeadline()
    {
        if (!TakeExpiry())
            return;
        // As in HTTP/1.1: the attempt is broken off, and so is the wait for the body. Kestrel's pipe is not ours to call into on the wheel's thread.
        Cancel(CancelReason.SlowBody);
        ThreadPool.UnsafeQueueUserWorkItem(static late => late.Stream.EndReading(late.Ticket), (Stream: this, Ticket: Volatile.Read(ref _ticket)), preferLocal: false);
    }

    // It comes late, and the object may serve another request by then.
    private void EndReading(long ticket)
    {
        if (Volatile.Read(ref _exchange) is not null && Volatile.Read(ref _ticket) == ticket)
            _reader.CancelPendingRead();
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> ServeAsync()
    {
        var request = _features.Get<IHttpRequestFeature>()!;
        var exchange = _plane.RentExchange();
        _isOver = false;
        _bodyStart = 0;
        HasEnded = true;
        var fault = Http2Request.Read(request, _features, exchange.Request, _connection.Listener.HeadLimits, ref _head);
        exchange.Begin(_connection, this, _plane.Model, _plane.Time.GetTimestamp(), _response);
        if (fault != HttpFault.None)
        {
            await _plane.Pipeline.RefuseMalformedAsync(exchange, fault);
        }
        else
        {
            BeginBody(exchange);
            Volatile.Write(ref _ticket, exchange.Ticket);
            Volatile.Write(ref _exchange, exchange);
            await _plane.Pipeline.RunAsync(exchange);
            Volatile.Write(ref _exchange, null);
        }
        await FinishAsync(exchange);
        return true;
    }

    private void BeginBody(Exchange exchange)
    {
        HasEnded = !exchange.Request.HasBody;
        if (!HasEnded)
            _reader = _features.Get<IRequestBodyPipeFeature>()!.Reader;
        exchange.Body.BeginPlain(_connection, this, exchange.Request);
    }

    // Everything that reads for the exchange has ended, before its buffers go to somebody else.
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> FinishAsync(Exchange exchange)
    {
        _isOver = true;
        if (exchange.HasUpload || exchange.Body.IsReceiving)
        {
            if (!exchange.Body.IsComplete)
                _reader.CancelPendingRead();
            if (exchange.HasUpload)
                await exchange.Upload;
            exchange.HasUpload = false;
            if (exchange.Body.IsReceiving)
                await exchange.Body.SettleAsync();
        }
        if (_isWatching)
            await _watching.DisposeAsync();
        _isWatching = false;
        _tunnel?.Dispose();
        _tunnel = null;
        _plane.Wheel.Remove(this);
        _plane.ReturnExchange(exchange);
        _response.Reset();
        if (_head is not null)
            ArrayPool<byte>.Shared.Return(_head);
        _head = null;
        return true;
    }

    // The same limits for slow clients as in HTTP/1.1. A gRPC client may rest between two messages of a call as long as the service's streams may.
    private void ArmBody(long received)
    {
        var wheel = _plane.Wheel;
        if (_exchange is { IsGrpc: true, Target: { } target })
        {
            Arm(wheel, wheel.After(target.IdleTimeout));
            return;
        }
        if (_bodyStart == 0)
            _bodyStart = wheel.NowMs;
        Arm(wheel, _connection.BodyDeadline(_bodyStart, received));
    }

    private void Cancel(CancelReason reason)
    {
        if (Volatile.Read(ref _exchange) is { } exchange)
            exchange.Cancel(reason, Volatile.Read(ref _ticket));
    }
}
