using System.Buffers;
using System.Buffers.Text;
using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.RateLimiting;
using Malha.Proxy.Routing;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Downstream;

/// <summary>
/// The answer on its way to an HTTP/1.1 client. Head and first piece leave in one system call; later pieces are sent from the buffer that they
/// came in. Its deadline is that of the send under way: a client that does not read must not hold an exchange.
/// </summary>
internal sealed class Http1ResponseWriter : ResponseSink
{
    private const int BufferSize = 16 * 1024;

    private static readonly byte[] Continue = "HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray();

    private byte[]? _out;
    private Http1Connection _connection = null!;
    private bool _chunked;
    private bool _http10;

    public override void Begin(ClientConnection connection, RequestHead request)
    {
        _connection = (Http1Connection)connection;
        _http10 = request.MinorVersion == 0;
    }

    public override ValueTask<bool> SendHeadAsync(Exchange exchange, UpstreamAnswer upstream, bool hasBlock)
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

    public override ValueTask<bool> SendBlockAsync(in BodyBlock block, TrailerHead trailers)
    {
        BodyBytes += block.Length;
        if (!_chunked)
            return block.Length == 0 ? new ValueTask<bool>(true) : SendAsync(block.Memory);
        if (block.Last && trailers.Count > 0)
            return SendTrailersAsync(block, trailers);
        var framed = ChunkFraming.Around(block, block.Last);
        return framed.IsEmpty ? new ValueTask<bool>(true) : SendAsync(framed);
    }

    public override ValueTask<bool> SendInformationalAsync(ResponseHead head)
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

    public override ValueTask<bool> SendContinueAsync() => SendAsync(Continue);

    // A cut answer of HTTP/1.1 has no place for a last word.
    public override bool TryEndWith(ReadOnlySpan<byte> trailers) => false;

    public override ValueTask<bool> SendOwnAsync(Exchange exchange, int status, ReadOnlySpan<byte> fields, ReadOnlySpan<byte> body, bool close)
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

    public override void Reset()
    {
        base.Reset();
        if (_out is not null)
            ArrayPool<byte>.Shared.Return(_out);
        _out = null;
        _connection = null!;
        _chunked = false;
    }

    protected internal override void OnDeadline()
    {
        // Read first: the writer may serve another connection by the time that the expiry is found to be void.
        var connection = _connection;
        if (TakeExpiry())
            connection.Abort();
    }

    private void WriteFraming(ref HeadWriter writer, Exchange exchange, UpstreamAnswer upstream, HeaderEditModel edits)
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
        WriteAdded(ref writer, exchange, head, edits);

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
        return sending.IsCompletedSuccessfully ? sending : SendSlowlyAsync(_connection.Wheel, sending, bytes.Length);
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
