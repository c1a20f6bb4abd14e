using System.Net;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Balancing;
using Malha.Proxy.Health;
using Malha.Proxy.Mirroring;
using Malha.Proxy.Telemetry.Metrics;
using Malha.Proxy.Timing;
using Malha.Proxy.Tls;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream.Http2;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>One address of a service: its idle connections, and the bulkhead of how many there may be and how many may wait for one.</summary>
internal sealed class EndpointState
{
    private readonly Lock _lock = new();
    private readonly Lock _settings = new();
    private CircuitBreaker? _breaker;
    private readonly LinkedList<Waiter> _waiting = new();
    private readonly TimerWheel _wheel;
    private readonly EndPoint _address;
    private readonly byte[] _authority;
    private readonly UpstreamTls? _tls;
    private Http2Endpoint? _http2;
    private (HttpMessageInvoker Client, ServiceProtocol Protocol, int Most)? _aside;
    private UpstreamConnection? _idle;
    private bool _keepsNone;
    private int _open;

    public EndpointState(EndpointConfig config, ServiceTlsConfig? tls, TimerWheel wheel)
    {
        Config = config;
        Name = config.Url.GetLeftPart(UriPartial.Authority);
        Load = new EndpointLoad(config.Weight);
        Health = new EndpointHealth(Load);
        _tls = config is { IsTls: true, IsStore: false } ? new UpstreamTls(config, tls) : null;
        _wheel = wheel;
        _authority = System.Text.Encoding.ASCII.GetBytes(config.Authority);
        _address = IPAddress.TryParse(config.Url.Host.Trim('[', ']'), out var ip)
            ? new IPEndPoint(ip, config.Url.Port)
            : new DnsEndPoint(config.Url.Host, config.Url.Port);
    }

    public EndpointConfig Config { get; }

    /// <summary>Scheme, host and port, as logs and the admin API call it.</summary>
    public string Name { get; }

    public EndpointMetrics Metrics { get; } = new();

    /// <summary>Null when the service has none.</summary>
    public CircuitBreaker? Breaker => Volatile.Read(ref _breaker);

    /// <summary>New settings, in place: what the breaker knows stays, and so does an operator's word.</summary>
    public void Update(ServiceConfig config, Moment now, GatewayRuntime runtime)
    {
        lock (_settings)
        {
            UpdateProtocol(config);
            var options = config.Breaker ?? (_breaker?.Snapshot(now).Mode is null or BreakerMode.Auto ? null : BreakerWatch.WithoutRules);
            if (options is not null && _breaker is not null)
                _breaker.Update(options, now);
            else
                Volatile.Write(ref _breaker, options is null ? null : BreakerWatch.Make(options, config.Name, this, runtime));
        }
    }

    /// <summary>Speaks HTTP/2 to it; null when HTTP/1.1 is spoken.</summary>
    public Http2Endpoint? Http2 => Volatile.Read(ref _http2);

    // Calls under way over what it was before end as they are, and its connections when they have been idle for long enough.
    private void UpdateProtocol(ServiceConfig config)
    {
        if (config.Protocol == ServiceProtocol.Http1)
            Volatile.Write(ref _http2, null);
        else if (_http2 is null || !_http2.Fits(config))
            Volatile.Write(ref _http2, new Http2Endpoint(this, _tls, config));
    }

    /// <summary>The client for copies of requests, which nobody waits for; made with the first of them.</summary>
    /// <param name="service">The service's settings.</param>
    /// <param name="most">The most connections that it may have.</param>
    public HttpMessageInvoker Aside(ServiceConfig service, int most)
    {
        lock (_settings)
        {
            // One that is replaced ends with the copies that it carries.
            if (_aside is not { } aside || aside.Protocol != service.Protocol || aside.Most < most)
                _aside = aside = (MirrorClient.Make(this, _tls, service, most), service.Protocol, most);
            return aside.Client;
        }
    }

    /// <summary>A connection for a client library, whose code runs on the thread pool.</summary>
    /// <param name="closed">Told when it is closed, or when there is none.</param>
    /// <param name="cancellation">Ends the wait for it.</param>
    public async ValueTask<Stream> DialAsync(Action closed, CancellationToken cancellation)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(_address, cancellation);
        }
        catch
        {
            socket?.Dispose();
            closed();
            await OffEngineStream.HopAsync();
            throw;
        }
        await OffEngineStream.HopAsync();
        return new OffEngineStream(socket) { Closed = closed };
    }

    /// <summary>An operator's word for the breaker. A service without one gets one that knows no rules: in need it can be shut off all the same.</summary>
    public void SetBreaker(BreakerMode mode, TimeSpan? timeToLive, string service, GatewayRuntime runtime)
    {
        lock (_settings)
        {
            if (_breaker is null && mode == BreakerMode.Auto)
                return;
            if (_breaker is null)
                Volatile.Write(ref _breaker, BreakerWatch.Make(BreakerWatch.WithoutRules, service, this, runtime));
            _breaker!.SetMode(mode, runtime.Clock.Now, timeToLive);
        }
    }

    /// <summary>Whether it gets no new attempts, and runs empty.</summary>
    public bool IsDraining => Load.IsDraining;

    /// <summary>Lets it run empty, or takes that back: nothing new goes there, what is under way ends, no connection is kept. Until the program ends.</summary>
    public void Drain(bool isDraining)
    {
        lock (_settings)
        {
            Load.IsDraining = isDraining;
            Volatile.Write(ref _keepsNone, isDraining);
        }
        if (isDraining)
            CloseIdle();
    }

    /// <summary>Host and port, for requests that name no host themselves.</summary>
    public ReadOnlySpan<byte> Authority => _authority;

    /// <summary>Connections, idle ones included.</summary>
    public int Open => Volatile.Read(ref _open) + (Http2?.Open ?? 0);

    /// <summary>What the last failed TLS handshake failed of; null when none has.</summary>
    public string? LastTlsFailure => _tls?.LastFailure;

    /// <summary>Requests that wait for a connection.</summary>
    public int Pending
    {
        get
        {
            lock (_lock)
                return _waiting.Count;
        }
    }

    /// <summary>What the balancer goes by.</summary>
    public EndpointLoad Load { get; }

    /// <summary>What its checks and its traffic say of it.</summary>
    public EndpointHealth Health { get; }

    /// <summary>Attempts under way.</summary>
    public int InFlight => Load.InFlight;

    /// <summary>An idle connection, the one used last: it is the least likely to have been closed.</summary>
    /// <param name="usedSince">Only one that was in use then or later, in milliseconds of the wheel.</param>
    public UpstreamConnection? TryLease(long usedSince = long.MinValue)
    {
        while (true)
        {
            UpstreamConnection? candidate;
            lock (_lock)
            {
                candidate = _idle;
                if (candidate is null || candidate.IdleSince < usedSince)
                    return null;
                _idle = candidate.NextIdle;
                candidate.NextIdle = null;
            }
            if (candidate.TryLease())
                return candidate;
        }
    }

    /// <summary>Opens a connection, or waits for one when the endpoint has as many as it may. Null with the reason when neither worked.</summary>
    public async ValueTask<(UpstreamConnection? Connection, ConnectOutcome Outcome)> ConnectAsync(ServiceConfig service, AttemptSlot slot)
    {
        if (!TryEnter(service, out var waiter))
        {
            Metrics.ConnectRefused();
            return (null, ConnectOutcome.Overflow);
        }
        if (waiter is null)
            return await OpenAsync(service, slot);

        waiter.Arm(_wheel, Math.Min(_wheel.After(service.ConnectTimeout), slot.Deadline));
        slot.Connecting(waiter);
        var granted = await waiter.Task;
        slot.Connecting(null);
        _wheel.Remove(waiter);
        if (granted.Outcome == ConnectOutcome.Overflow)
            Metrics.ConnectRefused();
        return granted.Connection is null && granted.Outcome == ConnectOutcome.Connected ? await OpenAsync(service, slot) : granted;
    }

    // A place for a new connection, or in the queue for one. False when that is full too.
    private bool TryEnter(ServiceConfig service, out Waiter? waiter)
    {
        waiter = null;
        while (true)
        {
            UpstreamConnection idle;
            lock (_lock)
            {
                if (_open < service.MaxConnections)
                {
                    _open++;
                    return true;
                }
                if (_idle is null)
                {
                    if (_waiting.Count >= service.MaxPending)
                        return false;
                    waiter = new Waiter(this);
                    _waiting.AddLast(waiter.Place);
                    return true;
                }
                idle = _idle;
                _idle = idle.NextIdle;
                idle.NextIdle = null;
            }
            // What rests in the pool must not keep out who needs a new connection.
            if (idle.TryLease())
                idle.Close(orderly: true);
        }
    }

    /// <summary>Takes a connection back whose exchange is over.</summary>
    public void Return(UpstreamConnection connection, bool clean)
    {
        if (!connection.Release(clean && !Volatile.Read(ref _keepsNone), _wheel.After(Configuration.Defaults.PooledConnectionIdle.Value)))
            return;

        Waiter waiter;
        lock (_lock)
        {
            if (_waiting.First is null)
            {
                connection.NextIdle = _idle;
                _idle = connection;
                return;
            }
            // Whoever waits is served at once, past the stack. A connection that has died here has passed its place on already.
            if (!connection.TryLease())
                return;
            waiter = Next()!;
        }
        if (!waiter.TryGrant(connection))
            Return(connection, clean: true);
    }

    /// <summary>A connection is gone: its place goes to the first who still waits, or is free.</summary>
    public void Closed()
    {
        Waiter? waiter;
        do
        {
            lock (_lock)
            {
                waiter = Next();
                if (waiter is null)
                    _open--;
            }
        }
        while (waiter is not null && !waiter.TryGrant(null));
    }

    // Under the lock.
    private Waiter? Next()
    {
        var first = _waiting.First?.Value;
        if (first is not null)
            _waiting.RemoveFirst();
        return first;
    }

    private void Forget(Waiter waiter)
    {
        lock (_lock)
        {
            if (waiter.Place.List is not null)
                _waiting.Remove(waiter.Place);
        }
    }

    /// <summary>No longer part of the configuration: closes what is idle; connections in use end with their exchange.</summary>
    public void Retire()
    {
        Volatile.Write(ref _keepsNone, true);
        CloseIdle();
        lock (_settings)
        {
            _aside?.Client.Dispose();
            _aside = null;
        }
    }

    /// <summary>Closes the connections that nobody uses now.</summary>
    public void CloseIdle()
    {
        while (TryLease() is { } connection)
            connection.Close(orderly: true);
    }

    private async ValueTask<(UpstreamConnection? Connection, ConnectOutcome Outcome)> OpenAsync(ServiceConfig service, AttemptSlot slot)
    {
        if ((slot.TryOpenFile() ? TryMakeSocket() : null) is not { } socket)
        {
            Metrics.ConnectBegan();
            Metrics.ConnectEnded(ConnectOutcome.OutOfFiles);
            Closed();
            return (null, ConnectOutcome.OutOfFiles);
        }
        var attempt = new ConnectAttempt(socket, _wheel);
        Metrics.ConnectBegan();
        attempt.Arm(_wheel, Math.Min(_wheel.After(service.ConnectTimeout), slot.Deadline));
        slot.Connecting(attempt);
        var outcome = ConnectOutcome.Connected;
        ByteChannel? channel = null;
        try
        {
            await socket.ConnectAsync(_address);
            // The deadline, or the client's end, may have closed it by now.
            channel = new SocketChannel(socket);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            outcome = Failed(attempt, slot, ConnectOutcome.Refused);
        }

        if (channel is not null)
        {
            if (_tls is not null)
                channel = await _tls.HandshakeAsync(channel, attempt);
            if (channel is not null)
            {
                slot.Connecting(null);
                _wheel.Remove(attempt);
                Metrics.ConnectEnded(outcome);
                return (new UpstreamConnection(channel, this, _wheel), outcome);
            }
            outcome = Failed(attempt, slot, ConnectOutcome.Untrusted);
        }

        slot.Connecting(null);
        _wheel.Remove(attempt);
        socket.Dispose();
        Metrics.ConnectEnded(outcome);
        Closed();
        return (null, outcome);
    }

    // Null when the process may not open another file.
    private static Socket? TryMakeSocket()
    {
        try
        {
            return new Socket(SocketType.Stream, ProtocolType.Tcp);
        }
        catch (SocketException)
        {
            return null;
        }
    }

    // We may have broken it off ourselves: then it says nothing about the endpoint.
    private static ConnectOutcome Failed(ConnectAttempt attempt, AttemptSlot slot, ConnectOutcome otherwise) =>
        attempt.TimedOut ? ConnectOutcome.TimedOut : slot.IsOver ? ConnectOutcome.Cancelled : otherwise;

    /// <summary>Somebody in the queue for a connection.</summary>
    private sealed class Waiter : PendingConnection
    {
        private readonly TaskCompletionSource<(UpstreamConnection?, ConnectOutcome)> _granted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly EndpointState _endpoint;

        public Waiter(EndpointState endpoint)
        {
            _endpoint = endpoint;
            Place = new LinkedListNode<Waiter>(this);
        }

        public LinkedListNode<Waiter> Place { get; }

        public Task<(UpstreamConnection? Connection, ConnectOutcome Outcome)> Task => _granted.Task;

        /// <summary>Gives a connection, or the right to open one. False when it has stopped waiting.</summary>
        public bool TryGrant(UpstreamConnection? connection) => _granted.TrySetResult((connection, ConnectOutcome.Connected));

        public override void Cancel()
        {
            if (_granted.TrySetResult((null, ConnectOutcome.Overflow)))
                _endpoint.Forget(this);
        }

        protected internal override void OnDeadline()
        {
            if (TakeExpiry())
                Cancel();
        }
    }
}

/// <summary>A connection that is not there yet: a deadline, or a client that goes, ends the wait for it.</summary>
internal abstract class PendingConnection : TimerEntry
{
    /// <summary>From any thread.</summary>
    public abstract void Cancel();
}

/// <summary>A connection that is being opened.</summary>
internal sealed class ConnectAttempt(Socket socket, TimerWheel wheel) : PendingConnection
{
    public bool TimedOut { get; private set; }

    public override void Cancel()
    {
        wheel.Remove(this);
        socket.Dispose();
    }

    protected internal override void OnDeadline()
    {
        if (!TakeExpiry())
            return;
        TimedOut = true;
        socket.Dispose();
    }
}

/// <summary>What came of asking for a connection.</summary>
internal enum ConnectOutcome : byte
{
    Connected,
    Refused,
    TimedOut,

    /// <summary>The endpoint has as many connections as it may, and as many waiting for one.</summary>
    Overflow,

    /// <summary>TLS: the endpoint's certificate is not one that is trusted, or the handshake failed otherwise.</summary>
    Untrusted,

    /// <summary>The exchange that it was for ended.</summary>
    Cancelled,

    /// <summary>This process may not open another file.</summary>
    OutOfFiles,
}
