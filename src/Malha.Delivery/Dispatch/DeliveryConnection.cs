using System.Net;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;

namespace Malha.Delivery.Dispatch;

/// <summary>Stands for the connection of the client that made an operation, who has gone: what it was is known, and nothing can be read from it or sent to it.</summary>
internal sealed class DeliveryConnection(DataPlane plane, IPEndPoint? client, bool cameOverTls) : ClientConnection(new NoChannel(), client, plane), IRequestSource
{
    public override bool IsTls => cameOverTls;

    /// <summary>Whom its client's word was not to be believed of was seen to when it was accepted.</summary>
    public override bool PeerIsTrusted => true;

    public bool HasEnded => true;

    /// <summary>Whether the answer broke off after its head.</summary>
    public bool IsBroken { get; private set; }

    public ValueTask<int> ReceiveBodyAsync(Memory<byte> buffer, long received) => new(ByteChannel.Broken);

    public HttpFault TakeTrailers(TrailerHead trailers) => HttpFault.None;

    public void ExpectBody()
    {
        // The body is at hand whole.
    }

    public void WatchClient()
    {
        // There is none.
    }

    public void Break() => IsBroken = true;

    public ByteChannel BeginTunnel(out ReadOnlyMemory<byte> first) => throw new InvalidOperationException("a delivery does not switch protocols");

    public override void Abort() => IsBroken = true;

    public override void Drain()
    {
        // It belongs to no listener.
    }

    public override bool TryLetGo() => false;

    protected internal override void OnDeadline() => TakeExpiry();

    private sealed class NoChannel : ByteChannel
    {
        public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => new(Broken);

        public override ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer) => new(false);

        public override void ShutdownSend()
        {
            // Nobody is there.
        }

        public override void ShutdownReceive()
        {
            // Nobody is there.
        }

        public override void Abort()
        {
            // Nobody is there.
        }

        protected override void Dispose(bool disposing)
        {
            // It holds nothing.
        }
    }
}
