using System.Buffers;
using System.Buffers.Text;
using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.RateLimiting;
using Malha.Proxy.Routing;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Downstream;

/// <summary>
/// The answer on its way to an HTTP/1.1 client. Head and first piece leave in one system call; later pieces are sent from the buffer that they
/// came in. Its deadline is that of the send under way: a client that does not read must not hold an exchange.
/// </summary>
internal sealed class ResponseWriter : TimerEntry
{
    private const int BufferSize = 16 * 1024;

    /// <summary>Room for what Malha adds to a head.</summary>
    private const int Added = 768;

    /// <summary>A client that takes less than this from us, after a grace period, is let go (Kestrel's MinResponseDataRate: 240 B/s, 5 s).</summary>
    private const int MinBytesPerSecond = 240;
    private const int GraceMs = 5_000;

    private const ulong Rewritten = KnownHeaders.HopByHop | 1UL << (int)KnownHeader.Via | 1UL << (int)KnownHeader.XRequestId;

    private byte[]? _out;
    private Http1Connection _connection = null!;
    private bool _chunked;
    private bool _http10;

    /// <summary>Whether the final head has been sent: from then on nothing else can be answered.</summary>
    public bool HeadSent { get; private set; }

    /// <summary>Whether the client may send its next request on this connection.</summary>
    public bool KeepAlive { get; private set; }

    /// <summary>The status sent; 0 when none was.</summary>
    public int Status { get; private set; }

    /// <summary>Body bytes sent.</summary>
    public long BodyBytes { get; private set; }

    public void Begin(Http1Connection connection, RequestHead request)
    {
        _connection = connection;
        _http10 = request.MinorVersion == 0;
    }

    /// <summary>Sends the upstream's head and the first piece of its body, if there is one. False when the client is gone.</summary>
    public ValueTask<bool> SendHeadAsync(Exchange exchange, UpstreamConnection upstream, bool hasBlock)
    {
        var head = upstream.Head;
        var block = hasBlock ? upstream.Block : default;
        HeadSent = true;
        Status = head.Status;
        var untilEnd = upstream.Framing is BodyFraming.Chunked or BodyFraming.UntilClose;
        _chunked = untilEnd && !_http10;
        KeepAlive = exchange.Request.KeepAlive && exchange.Body.IsComplete && !(untilEnd && _http10) && !_connection.MustClose && head.Status != 101;

        var edits = exchange.Route?.ResponseHeaders ?? HeaderEditModel.None;
        var buffer = Buffer(head.Position + edits.Lines.Length + RateLimitFields.Bound(exchange.Caller) + Added);
        var writer = new HeadWriter(buffer);
        writer.Write("HTTP/1.1 "u8);
        writer.Write(head.Range(9, head.Reason.End));
        if (head.Reason.Start == 12)
            writer.Write((byte)' ');
        writer.EndLine();
        FieldCopy.Write(ref writer, head, Rewritten, edits);
        WriteFraming(ref writer, exchange, upstream, edits);
        RateLimitFields.Write(ref writer, exchange.Caller, edits);
        writer.Write(edits.Lines);
        writer.EndLine();
        return hasBlock ? SendWithBlockAsync(writer.Length, block, upstream.Trailers) : SendAsync(_out.AsMemory(0, writer.Length));
    }

    /// <summary>Sends a further piece.</summary>
    public ValueTask<bool> SendBlockAsync(in BodyBlock block, TrailerHead trailers)
    {
        BodyBytes += block.Length;
        if (!_chunked)
            return block.Length == 0 ? new ValueTask<bool>(true) : SendAsync(block.Memory);
        if (block.Last && trailers.Count > 0)
            return SendTrailersAsync(block, trailers);
        var framed = ChunkFraming.Around(block, block.Last);
        return framed.IsEmpty ? new ValueTask<bool>(true) : SendAsync(framed);
    }

    /// <summary>Passes an interim answer on (1xx): to HTTP/1.1 clients only, the others do not know them.</summary>
    public ValueTask<bool> SendInformationalAsync(ResponseHead head)
    {
        if (_http10)
            return new ValueTask<bool>(true);
        var writer = new HeadWriter(Buffer(head.Position + Added));
        writer.Write("HTTP/1.1 "u8);
        writer.Write(head.Range(9, head.Reason.End));
        writer.EndLine();
        FieldCopy.Write(ref writer, head, KnownHeaders.HopByHop, HeaderEditModel.None);
        writer.EndLine();
        return SendAsync(_out.AsMemory(0, writer.Length));
    }

    /// <summary>Sends an answer of Malha's own.</summary>
    /// <param name="exchange">Null when there is no request that could be answered for.</param>
    /// <param name="status">The status code.</param>
    /// <param name="fields">Complete field lines, each with its CRLF.</param>
    /// <param name="body">Not sent in answer to HEAD.</param>
    /// <param name="close">Whether the connection ends with it.</param>
    public ValueTask<bool> SendOwnAsync(Exchange exchange, int status, ReadOnlySpan<byte> fields, ReadOnlySpan<byte> body, bool close)
    {
        HeadSent = true;
        Status = status;
        KeepAlive = !close && exchange.Request.KeepAlive && exchange.Body.IsComplete && !_connection.MustClose;
        var writer = new HeadWriter(Buffer(fields.Length + body.Length + RateLimitFields.Bound(exchange.Caller) + Added));
        writer.Write("HTTP/1.1 "u8);
        writer.Write(status);
        writer.Write((byte)' ');
        writer.Write(ReasonPhrases.Of(status));
        writer.EndLine();
        writer.Write(fields);
        writer.Field("X-Request-Id"u8, exchange.RequestId);
        RateLimitFields.Write(ref writer, exchange.Caller, HeaderEditModel.None);
        writer.Write("Date: "u8);
        writer.Write(_connection.DateNow);
        writer.EndLine();
        if (status is not (204 or 304))
        {
            writer.Write("Content-Length: "u8);
            writer.Write(body.Length);
            writer.EndLine();
        }
        WriteConnection(ref writer, exchange);
        writer.EndLine();
        if (exchange.Request.Kind != HttpMethodKind.Head)
        {
            writer.Write(body);
            BodyBytes = body.Length;
        }
        return SendAsync(_out.AsMemory(0, writer.Length));
    }

    public void Reset()
    {
        if (_out is not null)
            ArrayPool<byte>.Shared.Return(_out);
        _out = null;
        _connection = null!;
        _chunked = false;
        HeadSent = false;
        KeepAlive = false;
        Status = 0;
        BodyBytes = 0;
        Disarm();
    }

    protected internal override void OnDeadline()
    {
        // Read first: the writer may serve another connection by the time that the expiry is found to be void.
        var connection = _connection;
        if (TakeExpiry())
            connection.Abort();
    }

    private void WriteFraming(ref HeadWriter writer, Exchange exchange, UpstreamConnection upstream, HeaderEditModel edits)
    {
        var head = upstream.Head;
        if (_chunked)
            writer.Write("Transfer-Encoding: chunked\r\n"u8);
        else if (head.ContentLength >= 0 && head.Status != 204)
        {
            writer.Write("Content-Length: "u8);
            writer.Write(head.ContentLength);
            writer.EndLine();
        }
        else if (head.Chunked && !_http10 && exchange.Request.Kind == HttpMethodKind.Head)
            writer.Write("Transfer-Encoding: chunked\r\n"u8);

        if (!head.Has(KnownHeader.Date) && !edits.Drops(KnownHeader.Date, default))
            writer.Field("Date"u8, _connection.DateNow);
        if (!edits.Drops(KnownHeader.Via, default))
            WriteVia(ref writer, head);
        if (!edits.Drops(KnownHeader.XRequestId, default))
            writer.Field("X-Request-Id"u8, exchange.RequestId);

        if (head.Status == 101)
        {
            writer.Write("Connection: Upgrade\r\n"u8);
            foreach (ref readonly var field in head.Fields)
            {
                if (field.Known == KnownHeader.Upgrade)
                    writer.Field("Upgrade"u8, head.Bytes(field.Value));
            }
            return;
        }
        WriteConnection(ref writer, exchange);
    }

    private static void WriteVia(ref HeadWriter writer, ResponseHead head)
    {
        writer.Write("Via: "u8);
        foreach (ref readonly var field in head.Fields)
        {
            if (field.Known != KnownHeader.Via || field.Value.IsEmpty)
                continue;
            writer.Write(head.Bytes(field.Value));
            writer.Write(", "u8);
        }
        writer.Write(head.MinorVersion == 1 ? "1.1 malha\r\n"u8 : "1.0 malha\r\n"u8);
    }

    private void WriteConnection(ref HeadWriter writer, Exchange exchange)
    {
        if (!KeepAlive)
            writer.Write("Connection: close\r\n"u8);
        else if (exchange.Request.MinorVersion == 0)
            writer.Write("Connection: keep-alive\r\n"u8);
    }

    private ValueTask<bool> SendWithBlockAsync(int headLength, in BodyBlock block, TrailerHead trailers)
    {
        var framing = _chunked ? ChunkFraming.Headroom + ChunkFraming.Tailroom : 0;
        if (headLength + block.Length + framing > _out!.Length || (block.Last && _chunked && trailers.Count > 0))
            return SendInTwoAsync(headLength, block, trailers);

        BodyBytes += block.Length;
        var length = headLength;
        if (_chunked && block.Length > 0)
        {
            Utf8Formatter.TryFormat(block.Length, _out.AsSpan(length), out var digits, 'x');
            length += digits;
            var writer = new HeadWriter(_out.AsSpan(length));
            writer.EndLine();
            writer.Write(block.Span);
            writer.EndLine();
            length += writer.Length;
        }
        else
        {
            block.Span.CopyTo(_out.AsSpan(length));
            length += block.Length;
        }
        if (_chunked && block.Last)
        {
            ChunkFraming.End.CopyTo(_out.AsSpan(length));
            length += ChunkFraming.End.Length;
        }
        return SendAsync(_out.AsMemory(0, length));
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> SendInTwoAsync(int headLength, BodyBlock block, TrailerHead trailers) =>
        await SendAsync(_out.AsMemory(0, headLength)) && await SendBlockAsync(block, trailers);

    private async ValueTask<bool> SendTrailersAsync(BodyBlock block, TrailerHead trailers)
    {
        var framed = ChunkFraming.Around(block, close: false);
        if (!framed.IsEmpty && !await SendAsync(framed))
            return false;
        var bytes = new byte[trailers.Position + 3];
        "0\r\n"u8.CopyTo(bytes);
        trailers.Range(0, trailers.Position).CopyTo(bytes.AsSpan(3));
        return await SendAsync(bytes);
    }

    private ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        var sending = _connection.Channel.SendAsync(bytes);
        return sending.IsCompletedSuccessfully ? sending : SendSlowlyAsync(sending, bytes.Length);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> SendSlowlyAsync(ValueTask<bool> sending, int length)
    {
        var wheel = _connection.Wheel;
        Arm(wheel, wheel.NowMs + GraceMs + (length * 1000L / MinBytesPerSecond));
        var sent = await sending;
        Disarm();
        return sent;
    }

    private Span<byte> Buffer(int size)
    {
        if (_out is null || _out.Length < size)
        {
            if (_out is not null)
                ArrayPool<byte>.Shared.Return(_out);
            _out = ArrayPool<byte>.Shared.Rent(Math.Max(size, BufferSize));
        }
        return _out;
    }
}
