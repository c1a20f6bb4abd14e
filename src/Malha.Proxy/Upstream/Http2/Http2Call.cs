using System.Buffers;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Upstream.Http2;

/// <summary>
/// One call to an endpoint over HTTP/2. Its answer's head is written down as HTTP/1.1 says it and read by the same parser and guard, so that whatever
/// comes after them need not know where it came from.
/// </summary>
internal sealed class Http2Call : UpstreamAnswer
{
    private const int BufferSize = 16 * 1024;

    /// <summary>REFUSED_STREAM (RFC 9113, 8.7): the server says that it has done nothing.</summary>
    private const long RefusedStream = 7;

    private static readonly SearchValues<char> LineBreaking = SearchValues.Create("\r\n\0");

    private readonly Http2Endpoint _http2;
    private readonly CancellationTokenSource _cancel;
    private HttpRequestMessage? _request;
    private HttpResponseMessage? _response;
    private Stream _body = Stream.Null;
    private byte[]? _head;
    private byte[]? _buffer;
    private ValueTask<int> _probe;
    private bool _hasProbe;
    private ValueTask<bool> _next;
    private bool _hasNext;
    private bool _isReading;
    private long _remaining;
    private long _lease = 1;

    /// <param name="endpoint">Where it goes.</param>
    /// <param name="wheel">For its deadlines.</param>
    /// <param name="http2">The connections.</param>
    /// <param name="cancel">Breaks it off.</param>
    public Http2Call(EndpointState endpoint, TimerWheel wheel, Http2Endpoint http2, CancellationTokenSource cancel)
        : base(endpoint, wheel)
    {
        _http2 = http2;
        _cancel = cancel;
    }

    public override long Lease => Volatile.Read(ref _lease);

    /// <summary>What came of the connection, when the call failed on it.</summary>
    public ConnectOutcome Reached { get; private set; }

    /// <summary>Sends the request, as far as it is there, and waits for the answer's head.</summary>
    public async ValueTask<HeadOutcome> AskAsync(Exchange exchange, AttemptSlot slot)
    {
        if (!slot.Attach(this))
            return HeadOutcome.Nothing;
        ArmDeadline(slot.Deadline);
        // The client library has no say in it: whoever waits with its body is told to send it, and the endpoint hears of nothing.
        if (exchange.AwaitsContinue && exchange.Body.Received == 0)
        {
            if (!await exchange.Response.SendContinueAsync())
                return HeadOutcome.Nothing;
            exchange.Continue();
            exchange.Source.ExpectBody();
        }

        var content = exchange.Request.HasBody ? new Http2Upload(exchange, this) : null;
        _request = Http2RequestMessage.Make(exchange, Endpoint, content, slot.SpanId);
        try
        {
            // Its continuations are its own: it must not find itself on a thread of the socket engine.
            if (!Thread.CurrentThread.IsThreadPoolThread)
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            _response = await _http2.SendAsync(_request, slot, _cancel.Token);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException)
        {
            Reached = ReachedBy(exception);
            if (Reached == ConnectOutcome.Connected && exception is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded })
                Fault = HttpFault.BadStatusLine;
            return Fault == HttpFault.None ? HeadOutcome.Nothing : HeadOutcome.Malformed;
        }
        finally
        {
            content?.Close();
        }
        return ReadHead(_response);
    }

    /// <summary>The request is complete: from now on the answer's time runs.</summary>
    public void BeginAnswer(Exchange exchange)
    {
        exchange.BeginTimeout(Wheel, exchange.Clock.Now);
        exchange.ArmAnswer(this, exchange.Attempt.Deadline);
    }

    public override void Abort(long lease)
    {
        if (lease != 1 || Interlocked.CompareExchange(ref _lease, 0, 1) != 1)
            return;
        // Callbacks of it are the library's: on the thread pool.
        _ = _cancel.CancelAsync();
    }

    public override void BeginBody(bool toHead)
    {
        Block = default;
        _remaining = Math.Max(0, Head.ContentLength);
        if (toHead || Head.Status is 204 or 304 || Head.ContentLength == 0)
        {
            Framing = BodyFraming.None;
            return;
        }
        // Until the stream's end: towards HTTP/1.1 that is chunked.
        Framing = Head.ContentLength > 0 ? BodyFraming.Length : BodyFraming.Chunked;
        _body = _response!.Content.ReadAsStream();
    }

    public override bool TryFirstBlock()
    {
        if (Framing == BodyFraming.None)
        {
            Block = new BodyBlock([], 0, 0, true);
            return true;
        }
        Probe();
        if (_hasProbe)
            return false;
        var first = ReadBlockAsync();
        if (first.IsCompletedSuccessfully)
            return first.Result;
        _next = first;
        _hasNext = true;
        return false;
    }

    public override ValueTask<bool> NextBlockAsync()
    {
        if (!_hasNext)
            return ReadBlockAsync();
        _hasNext = false;
        return _next;
    }

    public override void Return(bool clean)
    {
        Wheel.Remove(this);
        Interlocked.Exchange(ref _lease, 0);
        var isAbandoned = _isReading || _hasProbe;
        // Resets the stream if it is not over.
        _response?.Dispose();
        _request?.Dispose();
        if (!clean)
            _ = _cancel.CancelAsync();
        if (_head is not null)
            ArrayPool<byte>.Shared.Return(_head);
        // A read that was broken off may still be writing into it.
        if (_buffer is not null && !isAbandoned)
            ArrayPool<byte>.Shared.Return(_buffer);
        _head = _buffer = null;
        Head.Reset();
        _http2.Ended();
    }

    protected internal override void OnDeadline()
    {
        if (!TakeExpiry())
            return;
        TimedOut = true;
        Abort(1);
    }

    // All that has come goes into one block, and the answer's end with it when that has come too.
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> ReadBlockAsync()
    {
        var buffer = _buffer ??= ArrayPool<byte>.Shared.Rent(BufferSize);
        var most = BufferSize - ChunkFraming.Headroom - ChunkFraming.Tailroom;
        var length = 0;
        _isReading = true;
        try
        {
            if (_hasProbe)
                await _probe;
            _hasProbe = false;
            while (length < most && !_hasProbe)
            {
                var received = await _body.ReadAsync(buffer.AsMemory(ChunkFraming.Headroom + length, most - length), _cancel.Token);
                if (received == 0)
                {
                    _isReading = false;
                    return End(length);
                }
                length += received;
                Probe();
            }
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            return false;
        }
        _isReading = false;
        return Take(length, isLast: false);
    }

    private bool End(int length)
    {
        if (!Take(length, isLast: true))
            return false;
        // Less than was announced.
        if (Framing == BodyFraming.Length && _remaining != 0)
            return false;
        Fault = FieldText.Read(_response!.TrailingHeaders.NonValidated, Trailers);
        return Fault == HttpFault.None;
    }

    private bool Take(int length, bool isLast)
    {
        _remaining -= length;
        if (Framing == BodyFraming.Length && _remaining < 0)
        {
            Fault = HttpFault.BadContentLength;
            return false;
        }
        Block = new BodyBlock(_buffer!, ChunkFraming.Headroom, length, isLast);
        return true;
    }

    // Asks whether there is something to read, without a buffer for it.
    private void Probe()
    {
        _probe = _body.ReadAsync(Memory<byte>.Empty, _cancel.Token);
        _hasProbe = !_probe.IsCompletedSuccessfully;
        if (!_hasProbe)
            _ = _probe.Result;
    }

    private HeadOutcome ReadHead(HttpResponseMessage response)
    {
        _head = ArrayPool<byte>.Shared.Rent(SizeOf(response));
        var writer = new HeadWriter(_head);
        writer.Write("HTTP/1.1 "u8);
        writer.Write((int)response.StatusCode);
        writer.Write((byte)' ');
        writer.Write(ReasonPhrases.Of((int)response.StatusCode));
        writer.EndLine();
        if (!TryWrite(ref writer, response.Headers.NonValidated) || !TryWrite(ref writer, response.Content.Headers.NonValidated))
        {
            Fault = HttpFault.BadHeaderValue;
            return HeadOutcome.Malformed;
        }
        writer.EndLine();

        var status = HeadParser.ParseResponse(_head.AsSpan(0, writer.Length), Head, UpstreamConnection.Limits);
        Head.Attach(_head, 0);
        Head.IsHttp2 = true;
        Fault = status == ParseStatus.Fault ? Head.Fault : status == ParseStatus.NeedMore || Head.Position != writer.Length ? HttpFault.BadHeaderValue : ResponseGuard.Inspect(Head);
        // A connection of HTTP/2 says these in frames, and switches to nothing.
        if (Fault == HttpFault.None && (Head.Chunked || Head.Has(KnownHeader.Connection) || Head.Status == 101))
            Fault = HttpFault.ConnectionField;
        return Fault == HttpFault.None ? HeadOutcome.Final : HeadOutcome.Malformed;
    }

    private static int SizeOf(HttpResponseMessage response)
    {
        var size = 128;
        foreach (var fields in (ReadOnlySpan<HttpHeadersNonValidated>)[response.Headers.NonValidated, response.Content.Headers.NonValidated])
        {
            foreach (var (name, values) in fields)
            {
                foreach (var value in values)
                    size += name.Length + value.Length + 4;
            }
        }
        return size;
    }

    private static bool TryWrite(ref HeadWriter writer, HttpHeadersNonValidated fields)
    {
        foreach (var (name, values) in fields)
        {
            foreach (var value in values)
            {
                if (name.Contains(':', StringComparison.Ordinal) || value.AsSpan().ContainsAny(LineBreaking))
                    return false;
                writer.Write(name);
                writer.Write(": "u8);
                writer.Write(value);
                writer.EndLine();
            }
        }
        return true;
    }

    private static ConnectOutcome ReachedBy(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case DialException dial:
                    return dial.Outcome;
                // It says that it has done nothing with the call: as good as a refused connection.
                case HttpProtocolException { ErrorCode: RefusedStream }:
                    return ConnectOutcome.Refused;
                case TimeoutException when exception is OperationCanceledException:
                    return ConnectOutcome.TimedOut;
                default:
                    break;
            }
        }
        return exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } ? ConnectOutcome.Refused
            : exception is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } ? ConnectOutcome.Untrusted : ConnectOutcome.Connected;
    }
}
