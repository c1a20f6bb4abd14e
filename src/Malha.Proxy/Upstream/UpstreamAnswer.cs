using Malha.Proxy.Http1;
using Malha.Proxy.Timing;

namespace Malha.Proxy.Upstream;

/// <summary>
/// Where an endpoint's answer comes from, whatever the endpoint speaks: a connection of HTTP/1.1, or a call over HTTP/2. Whoever wants to break it
/// off must name the lease, so that a late order never hits the next exchange.
/// </summary>
internal abstract class UpstreamAnswer(EndpointState endpoint, TimerWheel wheel) : TimerEntry
{
    private readonly TrailerHead _trailers = new();

    public EndpointState Endpoint { get; } = endpoint;

    public ResponseHead Head { get; } = new();

    public BodyFraming Framing { get; protected set; }

    /// <summary>The piece that <see cref="NextBlockAsync"/> has read.</summary>
    public BodyBlock Block { get; protected set; }

    /// <summary>Fields after the body; empty when there are none.</summary>
    public TrailerHead Trailers => _trailers;

    public HttpFault Fault { get; protected set; }

    /// <summary>Whether the deadline broke it, and not the peer.</summary>
    public bool TimedOut { get; protected set; }

    /// <summary>Names the lease that holds now.</summary>
    public abstract long Lease { get; }

    protected TimerWheel Wheel { get; } = wheel;

    public void ArmDeadline(long deadline) => Arm(Wheel, deadline);

    /// <summary>Breaks it off if the lease still holds. From any thread.</summary>
    public abstract void Abort(long lease);

    /// <summary>Decides how the body is framed, once the final head is there.</summary>
    public abstract void BeginBody(bool toHead);

    /// <summary>Takes what has come with the head as the first piece. False when none has.</summary>
    public abstract bool TryFirstBlock();

    /// <summary>Reads the next piece into <see cref="Block"/>. False when the body broke off or is malformed.</summary>
    public abstract ValueTask<bool> NextBlockAsync();

    /// <summary>The exchange is over, or nobody will read the rest.</summary>
    /// <param name="clean">Whether request and answer are complete.</param>
    public abstract void Return(bool clean);
}
