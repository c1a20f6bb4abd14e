using System.Buffers;
using System.Runtime.CompilerServices;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Upstream;

/// <summary>Carries bytes both ways after a switch to another protocol (WebSocket), until both sides have ended or neither has said anything for too long.</summary>
internal static class Tunnel
{
    private const int BufferSize = 16 * 1024;

    /// <returns>Whether both sides ended in order, and not by a break or a deadline.</returns>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public static async ValueTask<bool> RunAsync(Exchange exchange, UpstreamConnection upstream, long idleMs, long lastMoment)
    {
        var client = exchange.Source.BeginTunnel(out var fromClient);
        var up = CopyAsync(client, upstream.Channel, fromClient, true, exchange, upstream, idleMs, lastMoment);
        var down = await CopyAsync(upstream.Channel, client, upstream.TakeUnread(), false, exchange, upstream, idleMs, lastMoment);
        return await up && down;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<bool> CopyAsync(
        ByteChannel from, ByteChannel to, ReadOnlyMemory<byte> first, bool isFromClient, Exchange exchange, UpstreamConnection upstream, long idleMs, long lastMoment)
    {
        var wheel = exchange.Connection.Wheel;
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        upstream.ArmDeadline(Math.Min(wheel.NowMs + idleMs, lastMoment));
        exchange.Tunnelled(isFromClient, first.Length);
        var whole = first.IsEmpty || await to.SendAsync(first);
        while (whole)
        {
            var received = await from.ReceiveAsync(buffer);
            upstream.ArmDeadline(Math.Min(wheel.NowMs + idleMs, lastMoment));
            if (received == 0)
                break;
            exchange.Tunnelled(isFromClient, Math.Max(received, 0));
            whole = received > 0 && await to.SendAsync(buffer.AsMemory(0, received));
        }
        ArrayPool<byte>.Shared.Return(buffer);
        if (whole)
        {
            to.ShutdownSend();
        }
        else
        {
            // One side broke: so does the other, and the copy in the other direction with it.
            upstream.Abort(upstream.Lease);
            exchange.Source.Break();
        }
        return whole;
    }
}
