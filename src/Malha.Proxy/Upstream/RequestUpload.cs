using System.Buffers;
using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>Sends requests whose body does not fit behind the head: what is at hand at once, the rest as it comes, beside the wait for the answer.</summary>
internal sealed class RequestUpload(TimerWheel wheel, Clock clock)
{
    /// <summary>Sends head and what is there of the body, and sets the exchange's upload going if there is more to come.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> SendAsync(Exchange exchange, UpstreamConnection connection, int headLength)
    {
        var body = exchange.Body;
        var atHand = body.PrefixLength + body.Stored.Length;
        var buffer = ArrayPool<byte>.Shared.Rent(headLength + atHand + ChunkFraming.Headroom + ChunkFraming.Tailroom + TrailerHead.MaxSize);
        connection.Out(headLength)[..headLength].CopyTo(buffer);
        var length = WriteBody(buffer, headLength, exchange);
        var sent = await connection.SendAsync(buffer.AsMemory(0, length));
        ArrayPool<byte>.Shared.Return(buffer);

        if (!body.IsComplete)
        {
            // The time for the answer begins when the request is complete; until a client that waits for 100 goes on, the server has the word.
            if (!exchange.AwaitsContinue)
                connection.Disarm();
            exchange.HasUpload = true;
            exchange.Upload = PumpAsync(exchange, connection, connection.Lease);
        }
        return sent;
    }

    private static int WriteBody(byte[] buffer, int headLength, Exchange exchange)
    {
        var body = exchange.Body;
        var start = headLength + (body.IsChunked ? ChunkFraming.Headroom : 0);
        body.Prefix.CopyTo(buffer.AsSpan(start));
        body.Stored.Span.CopyTo(buffer.AsSpan(start + body.PrefixLength));
        var length = body.PrefixLength + body.Stored.Length;
        if (!body.IsChunked)
            return start + length;

        var framed = ChunkFraming.Around(new BodyBlock(buffer, start, length, body.IsComplete), close: false);
        framed.Span.CopyTo(buffer.AsSpan(headLength));
        return headLength + framed.Length + WriteEnd(buffer.AsSpan(headLength + framed.Length), exchange);
    }

    // The last chunk with its trailers, when the body is complete.
    private static int WriteEnd(Span<byte> buffer, Exchange exchange)
    {
        var body = exchange.Body;
        if (!body.IsComplete)
            return 0;
        var writer = new HeadWriter(buffer);
        if (body.Trailers.Count == 0)
        {
            writer.Write(ChunkFraming.End);
            return writer.Length;
        }
        writer.Write("0\r\n"u8);
        writer.Write(body.Trailers.Range(0, body.Trailers.Position));
        return writer.Length;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> PumpAsync(Exchange exchange, UpstreamConnection connection, long lease)
    {
        var body = exchange.Body;
        var buffer = body.IsChunked ? ArrayPool<byte>.Shared.Rent(Downstream.RequestBody.ReplayLimit + TrailerHead.MaxSize + 64) : null;
        var sent = true;
        while (sent && !body.IsComplete)
        {
            if (!await body.NextAsync())
            {
                // Broken off or malformed: the server must not take what it has for the whole.
                connection.Abort(lease);
                sent = false;
            }
            else if (body.Length > 0 || body.IsChunked)
            {
                // Before the last piece is sent: the answer may be there before this goes on.
                if (body.IsComplete)
                    exchange.BeginTimeout(wheel, clock.Now);
                exchange.ArmAnswer(connection, body.IsComplete ? exchange.Attempt.Deadline : Timing.TimerEntry.None);
                var bytes = body.Last;
                if (buffer is not null)
                {
                    bytes.Span.CopyTo(buffer.AsSpan(ChunkFraming.Headroom));
                    var framed = ChunkFraming.Around(new BodyBlock(buffer, ChunkFraming.Headroom, bytes.Length, body.IsComplete), close: false);
                    var start = bytes.IsEmpty ? 0 : ChunkFraming.Headroom - (framed.Length - bytes.Length - 2);
                    var end = start + framed.Length;
                    bytes = buffer.AsMemory(start, framed.Length + WriteEnd(buffer.AsSpan(end), exchange));
                }
                var sending = connection.SendAsync(bytes);
                // A server that stops reading must not hold a client for ever.
                if (!sending.IsCompleted && !body.IsComplete)
                    exchange.ArmAnswer(connection, wheel.After(exchange.Target!.IdleTimeout));
                sent = await sending;
            }
        }
        if (buffer is not null)
            ArrayPool<byte>.Shared.Return(buffer);
        if (sent)
            exchange.Source.WatchClient();
        return sent;
    }
}
