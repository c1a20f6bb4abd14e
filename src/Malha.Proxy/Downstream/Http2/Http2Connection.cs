using System.Net;
using Malha.Proxy.Transport;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>One client's HTTP/2 connection: known to its listener like any other, and served by Kestrel over our bytes.</summary>
internal sealed class Http2Connection : ClientConnection
{
    /// <summary>How long the last frames may take to leave once everything else has ended.</summary>
    private const int LingerMs = 2_000;

    private IFeatureCollection? _features;
    private int _streams;
    private int _served;

    public Http2Connection(ByteChannel channel, IPEndPoint? remote, ClientListener listener)
        : base(channel, remote, listener)
    {
    }

    /// <summary>Whether a connection's first bytes are the client's preface (RFC 9113, 3.4), as far as its request line.</summary>
    public static bool BeginsWithPreface(ReadOnlySpan<byte> bytes) => bytes.StartsWith(FrameMeter.Preface[..14]);

    /// <summary>Serves it. The first one of a listener waits until Kestrel has started.</summary>
    /// <param name="first">What the client has sent already.</param>
    public void Start(ReadOnlySpan<byte> first)
    {
        Channel.Received = null;
        var transport = new Http2Transport(Channel, this);
        Volatile.Write(ref _features, transport.Features);
        transport.Begin(first);
        Listener.Http2.Serve(transport);
    }

    public override void Abort() => Channel.Abort();

    /// <summary>GOAWAY: streams that are open end, no other begins.</summary>
    public override void Drain() => Off(static connection => connection.RequestClose());

    public override bool TryLetGo()
    {
        if (Volatile.Read(ref _streams) > 0 || Volatile.Read(ref _served) == 0)
            return false;
        Drain();
        return true;
    }

    public void StreamBegan() => Interlocked.Increment(ref _streams);

    public void StreamEnded()
    {
        Volatile.Write(ref _served, 1);
        Interlocked.Decrement(ref _streams);
        if (MustClose)
            Drain();
    }

    /// <summary>It sends what no client has reason to send so often.</summary>
    public void Flooded(FrameFlood flood)
    {
        Plane.Telemetry.Events.Warning("http2-flood", ("listener", Listener.Config.Name), ("client", RemoteAddress?.ToString() ?? "unknown"), ("frames", FrameMeter.NameOf(flood)));
        Abort();
    }

    /// <summary>All is said: what is still on its way out has a moment.</summary>
    public void Linger() => Arm(Wheel, Wheel.NowMs + LingerMs);

    public void Ended()
    {
        Wheel.Remove(this);
        Listener.Ended(this);
    }

    protected internal override void OnDeadline()
    {
        if (TakeExpiry())
            Channel.Abort();
    }

    private void RequestClose()
    {
        if (Volatile.Read(ref _features)?.Get<IConnectionLifetimeNotificationFeature>() is { } served)
            served.RequestClose();
        else
            // Kestrel has not begun with it: nothing that it has asked is being worked on.
            Channel.ShutdownReceive();
    }

    // Kestrel's own code runs on the thread pool, never on a thread of the socket engine or the wheel.
    private void Off(Action<Http2Connection> action) => ThreadPool.UnsafeQueueUserWorkItem(action, this, preferLocal: false);
}
