using System.Net;
using System.Text;
using Malha.Proxy.Identity;
using Malha.Proxy.SelfProtection;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream;

/// <summary>A client's connection, whatever it speaks: who is at its other end, which listener took it, and how it is let go.</summary>
internal abstract class ClientConnection : TimerEntry
{
    private readonly IPEndPoint? _remote;
    private readonly ClientListener? _listener;
    private byte[]? _clientAddress;
    private byte[]? _forwardedFor;

    protected ClientConnection(ByteChannel channel, IPEndPoint? remote, ClientListener listener)
        : this(channel, remote, listener.Plane) => _listener = listener;

    /// <summary>One that no listener has taken: requests that the gateway carries on its own.</summary>
    protected ClientConnection(ByteChannel channel, IPEndPoint? remote, DataPlane plane)
    {
        Channel = channel;
        _remote = remote;
        Peer = Ip.Of(remote?.Address);
        Plane = plane;
    }

    public ByteChannel Channel { get; }

    public ClientListener Listener => _listener ?? throw new InvalidOperationException("no listener has taken this connection");

    public DataPlane Plane { get; }

    public TimerWheel Wheel => Plane.Wheel;

    /// <summary>Neighbours in the listener's list; written under its lock.</summary>
    public ClientConnection? PreviousOpen { get; set; }

    /// <inheritdoc cref="PreviousOpen"/>
    public ClientConnection? NextOpen { get; set; }

    public IPEndPoint? Remote => _remote;

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

    public virtual bool IsTls => Channel.Tls is not null;

    public string? ListenerName => _listener?.Config.Name;

    public virtual bool PeerIsTrusted => Listener.TrustedProxies.Contains(Peer);

    public NetworkTable TrustedProxies => Listener.TrustedProxies;

    /// <summary>Whether the answer must end the connection: the listener is draining, or the gateway short of resources.</summary>
    public bool MustClose => Listener.IsDraining || !Plane.Protection.KeepsAlive;

    /// <summary>Whether the gateway may open another connection to an endpoint.</summary>
    public bool TryOpenFile() => Plane.Protection.TryOpenFile();

    /// <summary>The gateway's budget for bodies.</summary>
    public BufferBudget Buffers => Plane.Protection.Buffers;

    /// <summary>The date of now, as HTTP writes it.</summary>
    public ReadOnlySpan<byte> DateNow => Plane.Date.Now;

    /// <summary>When the next piece of a body must be there, in milliseconds of the wheel.</summary>
    /// <param name="start">When it was first waited for.</param>
    /// <param name="received">Bytes that have come.</param>
    public long BodyDeadline(long start, long received)
    {
        var listener = Listener.Config;
        var deadline = Wheel.After(listener.BodyTimeout);
        if (listener.MinBodyRate <= 0)
            return deadline;
        // By then the bytes that have come would be too few for the time that has passed.
        var grace = (long)Configuration.Defaults.MinBodyRateGrace.Value.TotalMilliseconds;
        return Math.Min(deadline, Math.Max(Wheel.NowMs, start + grace + ((received + 1) * 1000 / listener.MinBodyRate)));
    }

    /// <summary>Breaks the connection; the client sees a reset, and no cut answer looks complete.</summary>
    public abstract void Abort();

    /// <summary>The listener drains: a connection that rests between two requests ends now, another one after its answers.</summary>
    public abstract void Drain();

    /// <summary>Ends the connection if it rests between two requests. One that has not asked yet is left alone: its client has no reason to ask again elsewhere.</summary>
    public abstract bool TryLetGo();
}
