using Malha.Proxy.Admission;
using Malha.Proxy.Timing;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>One attempt under way: where it goes, what it holds, and how it is ended from outside. An exchange has one, and more only when it hedges.</summary>
internal sealed class AttemptSlot(Exchange exchange)
{
    private UpstreamAnswer? _upstream;
    private PendingConnection? _connecting;
    private long _lease;
    private volatile bool _hasLost;

    public EndpointState Endpoint { get; private set; } = null!;

    /// <summary>When its answer's head must be there, its connection included, in milliseconds of the wheel.</summary>
    public long Deadline { get; set; } = TimerEntry.None;

    /// <summary>When it began, since the request's arrival.</summary>
    public TimeSpan BeganAt { get; set; }

    /// <summary>Which attempt of its exchange it is, from 1.</summary>
    public int Number { get; set; }

    /// <summary>Its span's id; 0 when the exchange is not traced.</summary>
    public ulong SpanId { get; set; }

    /// <summary>Its permit of the service's limit.</summary>
    public LimitPermit Permit { get; set; }

    /// <summary>Who gave the permit; null when the service has no limit.</summary>
    public ServiceAdmission? Admission { get; private set; }

    /// <summary>Who let it pass to the endpoint, and is told what came of it; null when nobody guards it.</summary>
    public CircuitBreaker? Breaker { get; private set; }

    public BreakerPermit BreakerPermit { get; private set; }

    /// <summary>Whether its connection is within what the gateway may open.</summary>
    public bool TryOpenFile() => exchange.Connection.TryOpenFile();

    /// <summary>Whether another attempt of the same exchange has answered first: whatever comes of this one says nothing.</summary>
    public bool HasLost => _hasLost;

    /// <summary>Whether nobody waits for it any more.</summary>
    public bool IsOver => _hasLost || exchange.Cancelled != CancelReason.None;

    public void Begin(EndpointState endpoint, in BreakerDecision breaker, ServiceAdmission? admission)
    {
        Admission = admission;
        Endpoint = endpoint;
        Breaker = endpoint.Breaker;
        BreakerPermit = breaker.Permit;
        _hasLost = false;
    }

    public void Reset()
    {
        _upstream = null;
        _connecting = null;
        Deadline = TimerEntry.None;
        Breaker = null;
        Admission = null;
    }

    /// <summary>Says which connection carries it. False when it was ended meanwhile.</summary>
    public bool Attach(UpstreamAnswer connection)
    {
        Volatile.Write(ref _lease, connection.Lease);
        Interlocked.Exchange(ref _upstream, connection);
        return !IsOver;
    }

    public void Detach() => Volatile.Write(ref _upstream, null);

    public void Connecting(PendingConnection? connection)
    {
        Interlocked.Exchange(ref _connecting, connection);
        if (connection is not null && IsOver)
            connection.Cancel();
    }

    /// <summary>What carries it now, to be broken off once it is certain that it is still this use of the exchange.</summary>
    public (PendingConnection? Connecting, UpstreamAnswer? Upstream, long Lease) Carrier() =>
        (Volatile.Read(ref _connecting), Volatile.Read(ref _upstream), Volatile.Read(ref _lease));

    /// <summary>Ends it: another one has answered. Its task ends soon.</summary>
    public void Lose()
    {
        // Written before the connection is read; Attach and Connecting write that before they read this.
        _hasLost = true;
        Interlocked.MemoryBarrier();
        var (connecting, upstream, lease) = Carrier();
        connecting?.Cancel();
        upstream?.Abort(lease);
    }
}
