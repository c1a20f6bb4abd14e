using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.RateLimiting;
using Malha.Proxy.Routing;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;
using Microsoft.AspNetCore.Http.Features;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>
/// The answer on its way to an HTTP/2 client. Its fields are written as for HTTP/1.1 and then handed to Kestrel one by one. What ends the answer is left in
/// Kestrel's buffer, and goes out with END_STREAM when the request's task ends: one frame less, and one flush.
/// </summary>
internal sealed class Http2ResponseWriter(Http2Stream stream) : ResponseSink
{
    private ClientConnection _connection = null!;
    private PipeWriter? _body;

    /// <summary>Where the body goes.</summary>
    public PipeWriter Body => _body ??= stream.Features.Get<IHttpResponseBodyFeature>()!.Writer;

    public override void Begin(ClientConnection connection, RequestHead request)
    {
        _connection = connection;
        KeepAlive = true;
    }

    public override ValueTask<bool> SendHeadAsync(Exchange exchange, UpstreamAnswer upstream, bool hasBlock)
    {
        var head = upstream.Head;
        var block = hasBlock ? upstream.Block : default;
        // What is a switch of protocols in HTTP/1.1 is a success here (RFC 8441, 5).
        var isTunnel = head.Status == 101;
        var edits = exchange.Route?.ResponseHeaders ?? HeaderEditModel.None;
        var buffer = ArrayPool<byte>.Shared.Rent(head.Position + edits.Lines.Length + RateLimitFields.Bound(exchange.Caller) + Added);
        var writer = new HeadWriter(buffer);
        FieldCopy.Write(ref writer, head, Rewritten, edits, isTunnel ? TunnelHidden : []);
        WriteAdded(ref writer, exchange, head, edits);
        RateLimitFields.Write(ref writer, exchange.Caller, edits);
        writer.Write(edits.Lines);
        Answer(isTunnel ? 200 : head.Status, buffer.AsSpan(0, writer.Length), isTunnel || head.Status == 204 ? -1 : head.ContentLength);
        ArrayPool<byte>.Shared.Return(buffer);
        return isTunnel ? stream.AcceptTunnelAsync() : hasBlock ? SendBlockAsync(block, upstream.Trailers) : FlushAsync(0);
    }

    public override ValueTask<bool> SendBlockAsync(in BodyBlock block, TrailerHead trailers)
    {
        BodyBytes += block.Length;
        if (block.Length > 0)
            Body.Write(block.Span);
        if (!block.Last)
            return FlushAsync(block.Length);
        if (trailers.Count > 0)
            SetTrailers(trailers.Range(0, trailers.Position));
        return new ValueTask<bool>(true);
    }

    public override ValueTask<bool> SendInformationalAsync(ResponseHead head) => new(true);

    public override ValueTask<bool> SendContinueAsync() => new(true);

    public override ValueTask<bool> SendOwnAsync(Exchange exchange, int status, ReadOnlySpan<byte> fields, ReadOnlySpan<byte> body, bool close)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(fields.Length + RateLimitFields.Bound(exchange.Caller) + Added);
        var writer = new HeadWriter(buffer);
        writer.Write(fields);
        writer.Field("X-Request-Id"u8, exchange.RequestId);
        RateLimitFields.Write(ref writer, exchange.Caller, HeaderEditModel.None);
        Answer(status, buffer.AsSpan(0, writer.Length), status is 204 or 304 ? -1 : body.Length);
        ArrayPool<byte>.Shared.Return(buffer);
        if (exchange.Request.Kind != HttpMethodKind.Head && !body.IsEmpty)
        {
            Body.Write(body);
            BodyBytes = body.Length;
        }
        return new ValueTask<bool>(true);
    }

    public override bool TryEndWith(ReadOnlySpan<byte> trailers)
    {
        SetTrailers(trailers);
        return true;
    }

    public override void Reset()
    {
        base.Reset();
        _connection = null!;
        _body = null;
    }

    protected internal override void OnDeadline()
    {
        if (TakeExpiry())
            ThreadPool.UnsafeQueueUserWorkItem(static stream => stream.Break(), stream, preferLocal: false);
    }

    // The server's proof for a key that the client never saw.
    private static ReadOnlySpan<byte[]> TunnelHidden => Hidden;

    private static readonly byte[][] Hidden = ["Sec-WebSocket-Accept"u8.ToArray()];

    private void Answer(int status, ReadOnlySpan<byte> lines, long contentLength)
    {
        HeadSent = true;
        Status = status;
        var response = stream.Features.Get<IHttpResponseFeature>()!;
        response.StatusCode = status;
        var headers = response.Headers;
        FieldText.Set(headers, lines);
        if (contentLength >= 0)
            headers.ContentLength = contentLength;
    }

    private void SetTrailers(ReadOnlySpan<byte> lines)
    {
        if (stream.Features.Get<IHttpResponseTrailersFeature>() is { Trailers: { } fields })
            FieldText.Set(fields, lines);
    }

    private ValueTask<bool> FlushAsync(int length)
    {
        var flushing = Body.FlushAsync();
        if (flushing.IsCompletedSuccessfully)
            return new ValueTask<bool>(flushing.Result is { IsCompleted: false, IsCanceled: false });
        return SendSlowlyAsync(_connection.Wheel, AwaitAsync(flushing), length);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<bool> AwaitAsync(ValueTask<FlushResult> flushing)
    {
        try
        {
            return await flushing is { IsCompleted: false, IsCanceled: false };
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            return false;
        }
    }
}
