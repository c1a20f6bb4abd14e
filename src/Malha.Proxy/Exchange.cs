using Malha.Proxy.Deferral;
using System.Buffers;
using Malha.Proxy.Admission;
using Malha.Proxy.Balancing;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;
using Malha.Proxy.Identity;
using Malha.Proxy.Routing;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Decisions;
using Malha.Proxy.Timing;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>
/// One request and its answer on their way through the pipeline. Pooled: it belongs to the connection that carries the request until the
/// answer is complete, and holds nothing afterwards.
/// </summary>
internal sealed class Exchange
{
    /// <summary>A longer one is replaced; it goes into every log line.</summary>
    private const int MaxRequestId = 128;

    /// <summary>Chance for the choice of endpoints; a field, since it changes in place.</summary>
    public Xorshift Random;

    private readonly Clock _clock;
    private readonly Http1ResponseWriter _http1Response = new();
    private volatile AttemptSlot[] _hedges = [];
    // Which use of this object it is in the upper bits, why it was cancelled in the lowest byte.
    private long _life;
    private bool _keepsRequestId;
    private byte[]? _path;
    private int _pathLength;
    private readonly Lock _uploadLock = new();
    private volatile bool _hasContinued;
    private bool _hasAnswer;
    private long _tunnelledIn;
    private long _tunnelledOut;

    public Exchange(ulong seed, Clock clock)
    {
        _clock = clock;
        Random = new Xorshift(seed);
        Body = new RequestBody();
        Response = _http1Response;
        Attempt = new AttemptSlot(this);
        Trace = new TraceIdentity(seed);
    }

    /// <summary>The policies' time line.</summary>
    public Clock Clock => _clock;

    public RequestHead Request { get; } = new();

    public RequestBody Body { get; }

    public ResponseSink Response { get; private set; }

    public TraceIdentity Trace { get; }

    /// <summary>What this request is called in logs and answers: the client's own X-Request-Id when it has a usable one.</summary>
    public ReadOnlySpan<byte> RequestId => _keepsRequestId ? Request.Value(KnownHeader.XRequestId) : Trace.RequestId;

    public ClientConnection Connection { get; private set; } = null!;

    /// <summary>Whether it is a gRPC call, whose failures are told in its own words.</summary>
    public bool IsGrpc { get; private set; }

    /// <summary>What of the connection is this exchange's own: all of it in HTTP/1.1, a stream in HTTP/2.</summary>
    public IRequestSource Source { get; private set; } = null!;

    /// <summary>The configuration that this exchange lives under, whatever is swapped in meanwhile.</summary>
    public GatewayModel Model { get; private set; } = null!;

    /// <summary>Who sends it.</summary>
    public Caller Caller { get; } = new();

    /// <summary>The index of the class that it counts for; 0 when there are no classes.</summary>
    public int ShareClass => Caller.ShareClass;

    public RouteModel? Route { get; set; }

    /// <summary>What the route changes in the request's header.</summary>
    public HeaderEditModel Edits => Route?.RequestHeaders ?? HeaderEditModel.None;

    /// <summary>The path that the service gets; empty when it gets the client's.</summary>
    public ReadOnlySpan<byte> RewrittenPath => _path.AsSpan(0, _pathLength);

    public ServiceModel? Service { get; set; }

    /// <summary>What holds for the route at its service; null when the route answers itself.</summary>
    public RouteTarget? Target { get; private set; }

    /// <summary>Sends it to a service.</summary>
    public void Send(RouteTarget? target)
    {
        Target = target;
        Service = target?.Service;
    }

    /// <summary>Makes the path that the service gets. A fault when it would be none.</summary>
    public HttpFault Rewrite(RewriteModel rewrite)
    {
        if (!rewrite.ChangesPath || Request.IsAsterisk)
            return HttpFault.None;
        _path = ArrayPool<byte>.Shared.Rent(rewrite.MaxLength(Request));
        return rewrite.WritePath(Request, _path, out _pathLength);
    }

    /// <summary>From the head's arrival to the answer's head.</summary>
    public TimeSpan Timeout => Route?.Config.Timeout ?? Service!.Config.Timeout;

    /// <summary>The same for one attempt; null: what is left of the whole.</summary>
    public TimeSpan? AttemptTimeout => Route?.Config.AttemptTimeout ?? Service!.Config.AttemptTimeout;

    /// <summary>When its head was complete, as a timestamp of the clock.</summary>
    public long StartedAt { get; private set; }

    /// <summary>When the pipeline began with it, in milliseconds of the wheel.</summary>
    public long BegunAt { get; set; }

    /// <summary>When the answer's head must be there, in milliseconds of the wheel.</summary>
    public long Deadline { get; set; } = TimerEntry.None;

    /// <summary>The attempt under way; the one whose answer is passed on.</summary>
    public AttemptSlot Attempt { get; }

    /// <summary>Whether there may be others beside it: what they say before their final answers goes to nobody.</summary>
    public bool IsHedged { get; set; }

    /// <summary>The whole's deadline for the policies.</summary>
    public Malha.Resilience.Deadline PolicyDeadline { get; private set; }

    /// <summary>Its place in a service's queue.</summary>
    public AttemptWait Wait { get; } = new();

    /// <summary>Its back-off between two attempts.</summary>
    public Pause Pause { get; } = new();

    /// <summary>What an answer on this route usually takes.</summary>
    public RouteBaseline Baseline => Target!.Baseline;

    /// <summary>Who has let it pass before the service and is told how it ended; null when nobody asked.</summary>
    public CallerThrottle? Throttle { get; set; }

    /// <summary>Whether the service has sent its last attempt away.</summary>
    public bool IsPushedBack { get; set; }

    /// <summary>The last back-off.</summary>
    public TimeSpan PreviousDelay { get; set; }

    /// <summary>Begins the time that the service has, all attempts together.</summary>
    public void BeginTimeout(TimerWheel wheel, Moment now)
    {
        var timeout = Timeout;
        IsCallersDeadline = Caller.RemainingTimeout < timeout;
        if (IsCallersDeadline)
            timeout = Caller.RemainingTimeout!.Value;
        Deadline = wheel.After(timeout);
        PolicyDeadline = Malha.Resilience.Deadline.After(now, timeout);
        BeginAttempt(wheel, Attempt);
    }

    /// <summary>Whether the time is what the Malha before this one has left, and not the operator's: to run out of it says nothing about the service.</summary>
    public bool IsCallersDeadline { get; private set; }

    /// <summary>What the attempt under way has, in milliseconds, for the next hop; less than it will be, never more.</summary>
    public long AttemptTimeMs { get; private set; }

    /// <summary>Begins the time that one attempt has.</summary>
    public void BeginAttempt(TimerWheel wheel, AttemptSlot slot)
    {
        slot.Deadline = AttemptTimeout is { } timeout ? Math.Min(Deadline, wheel.After(timeout)) : Deadline;
        AttemptTimeMs = Math.Max(0, slot.Deadline - wheel.NowMs - TimerWheel.TickMs);
    }

    /// <summary>Another attempt begins beside the first: it ends with the exchange as that one does.</summary>
    public void Hedge(AttemptSlot slot) => _hedges = [.. _hedges, slot];

    /// <summary>What the durable lane knows of a request that it may yet accept; ends when nothing of the exchange goes on any more.</summary>
    public IDisposable? Kept { get; set; }

    /// <summary>The operation that it was accepted as, or that it delivers, as 32 hexadecimal digits; null when it is none.</summary>
    public byte[]? Operation { get; set; }

    /// <summary>Whether it delivers an operation: it waits for no permit, and its attempt is not repeated here.</summary>
    public bool IsDelivery { get; set; }

    /// <summary>That it was accepted for later; null when it was not.</summary>
    public DeferredRequest? Deferred { get; set; }

    /// <summary>Whether a server may have taken it for a request: something of it was sent.</summary>
    public bool MayHaveRun { get; set; }

    /// <summary>The endpoints that attempts were made at.</summary>
    public TriedEndpoints Tried { get; set; }

    /// <summary>Attempts begun.</summary>
    public int Attempts { get; set; }

    /// <summary>What they were and what came of them.</summary>
    public AttemptLog AttemptLog { get; } = new();

    /// <summary>Why Malha answers or ends it itself; none while an endpoint's answer is passed on.</summary>
    public Refusal Refusal { get; set; }

    /// <summary>Whether the refusal came after the head of an endpoint's answer, which then broke off.</summary>
    public bool IsCut { get; set; }

    /// <summary>Body bytes from the client, or all bytes after a switch to another protocol.</summary>
    public long BytesIn => Body.Received + _tunnelledIn;

    /// <summary>The same to the client.</summary>
    public long BytesOut => Response.BodyBytes + _tunnelledOut;

    /// <summary>Sends the rest of the request's body while the answer is already awaited; it must have ended before the exchange is used again.</summary>
    public ValueTask<bool> Upload { get; set; }

    public bool HasUpload { get; set; }

    /// <summary>Whether the client holds its body back until the server says 100: its clock does not run yet, the server's does.</summary>
    public bool AwaitsContinue => Request.ExpectsContinue && !_hasContinued;

    /// <summary>The server has said 100.</summary>
    public void Continue() => _hasContinued = true;

    /// <summary>Sets the deadline of the answer's head while the request is still being sent; nothing any more once the head is there.</summary>
    public void ArmAnswer(UpstreamAnswer connection, long deadline)
    {
        lock (_uploadLock)
        {
            if (!_hasAnswer)
                connection.ArmDeadline(deadline);
        }
    }

    /// <summary>The final head is there: from now on only whoever relays the answer sets the connection's deadline.</summary>
    public void Answered()
    {
        if (!HasUpload)
            return;
        lock (_uploadLock)
            _hasAnswer = true;
    }

    /// <summary>Whether the whole request has reached the endpoint.</summary>
    public bool IsSent => !HasUpload || (Upload.IsCompleted && Body.IsComplete && Body.Fault == HttpFault.None);

    public CancelReason Cancelled => (CancelReason)(byte)Volatile.Read(ref _life);

    /// <summary>Names this use of the object, so that an order to cancel that comes late does not hit the next one.</summary>
    public long Ticket => Volatile.Read(ref _life) & ~(long)byte.MaxValue;

    public void Begin(Http1Connection connection, GatewayModel model, long startedAt) => Begin(connection, connection, model, startedAt);

    /// <param name="connection">The client's connection.</param>
    /// <param name="source">Where on it the request comes from.</param>
    /// <param name="model">The configuration in force.</param>
    /// <param name="startedAt">When the head was complete.</param>
    /// <param name="response">Where the answer goes; null: back as HTTP/1.1.</param>
    public void Begin(ClientConnection connection, IRequestSource source, GatewayModel model, long startedAt, ResponseSink? response = null)
    {
        Connection = connection;
        Source = source;
        if (response is not null)
            Response = response;
        Response.Begin(connection, Request);
        IsGrpc = Request.Has(KnownHeader.ContentType) && Rpc.GrpcCall.IsType(Request.Value(KnownHeader.ContentType));
        Model = model;
        StartedAt = startedAt;
        Trace.Begin(Request);
        _keepsRequestId = Request.Has(KnownHeader.XRequestId)
            && Request.Value(KnownHeader.XRequestId) is { Length: > 0 and <= MaxRequestId } id && HttpSyntax.IsToken(id);
    }

    public void Reset()
    {
        Request.Reset();
        Body.Reset();
        Response.Reset();
        Response = _http1Response;
        Connection = null!;
        Source = null!;
        Model = null!;
        Caller.Reset();
        Route = null;
        Service = null;
        Target = null;
        if (_path is not null)
            ArrayPool<byte>.Shared.Return(_path);
        _path = null;
        _pathLength = 0;
        Deadline = TimerEntry.None;
        Attempt.Reset();
        _hedges = [];
        IsHedged = false;
        Attempts = 0;
        IsGrpc = false;
        CallDeadline = TimerEntry.None;
        PreviousDelay = default;
        Throttle = null;
        IsPushedBack = false;
        Tried = default;
        _hasContinued = false;
        _hasAnswer = false;
        AttemptLog.Reset();
        Kept?.Dispose();
        Kept = null;
        Operation = null;
        IsDelivery = false;
        Deferred = null;
        MayHaveRun = false;
        Refusal = Refusal.None;
        IsCut = false;
        _tunnelledIn = _tunnelledOut = 0;
        Upload = default;
        HasUpload = false;
        Volatile.Write(ref _life, Ticket + byte.MaxValue + 1);
    }

    /// <summary>The caller ends the whole call after so long, its answer's body included (<c>grpc-timeout</c>).</summary>
    public void LimitCall(TimeSpan timeout)
    {
        if (!(Caller.RemainingTimeout <= timeout))
            Caller.RemainingTimeout = timeout;
        CallDeadline = Connection.Wheel.After(timeout);
    }

    /// <summary>When the caller ends the call, in milliseconds of the wheel.</summary>
    public long CallDeadline { get; private set; } = TimerEntry.None;

    /// <summary>Ends it from outside: the attempt under way is broken off, no other begins. From any thread; the first reason stands.</summary>
    public void Cancel(CancelReason reason, long ticket)
    {
        var cancelled = ticket | (long)reason;
        if (Interlocked.CompareExchange(ref _life, cancelled, ticket) != ticket)
            return;
        // The reason is written before this reads the connection; Attach writes the connection before it reads the reason. One of the two sees the other.
        var (connecting, upstream, lease) = Attempt.Carrier();
        var hedges = _hedges;
        // It may have ended and begun again meanwhile: what was read would be the next one's.
        if (Volatile.Read(ref _life) != cancelled)
            return;
        Wait.Cancel(_clock.Now);
        Pause.Cut();
        connecting?.Cancel();
        upstream?.Abort(lease);
        foreach (var hedge in hedges)
            hedge.Lose();
    }

    /// <summary>Counts what has gone through after a switch to another protocol. The two directions are counted by different threads.</summary>
    public void Tunnelled(bool fromClient, int count)
    {
        if (fromClient)
            _tunnelledIn += count;
        else
            _tunnelledOut += count;
    }
}

/// <summary>Why an exchange was ended from outside.</summary>
internal enum CancelReason : byte
{
    None,

    /// <summary>The client closed its connection; nobody waits for an answer.</summary>
    ClientGone,

    /// <summary>The rest of the request's body did not come in time.</summary>
    SlowBody,

    /// <summary>The program ends and waits no longer.</summary>
    Shutdown,
}
