using System.Net;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Upstream;

/// <summary>One address of a service: its idle connections, and the bulkhead of how many there may be and how many may wait for one.</summary>
internal sealed class EndpointState
{
    private readonly Lock _lock = new();
    private readonly Queue<Waiter> _waiting = new();
    private readonly TimerWheel _wheel;
    private readonly EndPoint _address;
    private readonly byte[] _authority;
    private readonly UpstreamTls? _tls;
    private UpstreamConnection? _idle;
    private bool _retired;
    private int _open;
    private int _inFlight;

    public EndpointState(EndpointConfig config, ServiceTlsConfig? tls, TimerWheel wheel)
    {
        Config = config;
        _tls = config.IsTls ? new UpstreamTls(config, tls) : null;
        _wheel = wheel;
        _authority = System.Text.Encoding.ASCII.GetBytes(config.Url.Authority);
        _address = IPAddress.TryParse(config.Url.Host.Trim('[', ']'), out var ip)
            ? new IPEndPoint(ip, config.Url.Port)
            : new DnsEndPoint(config.Url.Host, config.Url.Port);
    }

    public EndpointConfig Config { get; }

    /// <summary>Host and port, for requests that name no host themselves.</summary>
    public ReadOnlySpan<byte> Authority => _authority;

    /// <summary>Connections, idle ones included.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Attempts under way.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public void Started() => Interlocked.Increment(ref _inFlight);

    public void Finished() => Interlocked.Decrement(ref _inFlight);

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
    public async ValueTask<(UpstreamConnection? Connection, ConnectOutcome Outcome)> ConnectAsync(ServiceConfig service, Exchange exchange)
    {
        // What rests in the pool must not keep out who needs a new connection.
        if (Open >= service.MaxConnections)
            TryLease()?.Close(orderly: true);

        Waiter? waiter = null;
        lock (_lock)
        {
            if (_open < service.MaxConnections)
                _open++;
            else if (_waiting.Count >= service.MaxPending)
                return (null, ConnectOutcome.Overflow);
            else
                _waiting.Enqueue(waiter = new Waiter(_wheel, _wheel.After(service.ConnectTimeout)));
        }

        if (waiter is not null)
        {
            var granted = await waiter.Task;
            if (granted.Connection is not null || granted.Outcome != ConnectOutcome.Connected)
                return granted;
        }
        return await OpenAsync(service, exchange);
    }

    /// <summary>Takes a connection back whose exchange is over.</summary>
    public void Return(UpstreamConnection connection, bool clean)
    {
        if (!connection.Release(clean && !Volatile.Read(ref _retired), _wheel.After(Defaults.PooledConnectionIdle.Value)))
            return;

        Waiter? waiter;
        lock (_lock)
        {
            if (!_waiting.TryDequeue(out waiter))
            {
                connection.NextIdle = _idle;
                _idle = connection;
                return;
            }
        }

        // Whoever waits is served at once, past the stack. A connection that dies here has given its place to the next one already.
        if (!connection.TryLease())
            Offer(waiter);
        else if (!waiter.TryGrant(connection))
            Return(connection, clean: true);
    }

    /// <summary>A connection is gone: its place is free, for the first who waits.</summary>
    public void Closed()
    {
        Waiter? waiter;
        lock (_lock)
        {
            _open--;
            if (!_waiting.TryDequeue(out waiter))
                return;
        }
        Offer(waiter);
    }

    // Gives the right to open a connection to the first in the queue that still waits, beginning with the one given.
    private void Offer(Waiter? waiter)
    {
        lock (_lock)
            _open++;
        while (waiter is not null)
        {
            if (waiter.TryGrant(null))
                return;
            lock (_lock)
                _waiting.TryDequeue(out waiter);
        }
        lock (_lock)
            _open--;
    }

    /// <summary>No longer part of the configuration: closes what is idle; connections in use end with their exchange.</summary>
    public void Retire()
    {
        Volatile.Write(ref _retired, true);
        while (TryLease() is { } connection)
            connection.Close(orderly: true);
    }

    private async ValueTask<(UpstreamConnection? Connection, ConnectOutcome Outcome)> OpenAsync(ServiceConfig service, Exchange exchange)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var attempt = new ConnectAttempt(socket, _wheel);
        attempt.Arm(_wheel, Math.Min(_wheel.After(service.ConnectTimeout), exchange.ConnectDeadline));
        exchange.Connecting(attempt);
        var outcome = ConnectOutcome.Connected;
        try
        {
            await socket.ConnectAsync(_address);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            outcome = attempt.TimedOut ? ConnectOutcome.TimedOut : ConnectOutcome.Refused;
        }

        if (outcome == ConnectOutcome.Connected)
        {
            ByteChannel? channel = new SocketChannel(socket);
            if (_tls is not null)
                channel = await _tls.HandshakeAsync(channel, attempt);
            if (channel is not null)
            {
                exchange.Connecting(null);
                _wheel.Remove(attempt);
                return (new UpstreamConnection(channel, this, _wheel), outcome);
            }
            outcome = attempt.TimedOut ? ConnectOutcome.TimedOut : ConnectOutcome.Untrusted;
        }

        exchange.Connecting(null);
        _wheel.Remove(attempt);
        socket.Dispose();
        Closed();
        return (null, outcome);
    }

    /// <summary>Somebody in the queue for a connection.</summary>
    private sealed class Waiter : TimerEntry
    {
        private readonly TaskCompletionSource<(UpstreamConnection?, ConnectOutcome)> _granted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TimerWheel _wheel;

        public Waiter(TimerWheel wheel, long deadline)
        {
            _wheel = wheel;
            Arm(wheel, deadline);
        }

        public Task<(UpstreamConnection? Connection, ConnectOutcome Outcome)> Task => _granted.Task;

        /// <summary>Gives a connection, or the right to open one. False when it has stopped waiting.</summary>
        public bool TryGrant(UpstreamConnection? connection)
        {
            _wheel.Remove(this);
            return _granted.TrySetResult((connection, ConnectOutcome.Connected));
        }

        protected internal override void OnDeadline() => _granted.TrySetResult((null, ConnectOutcome.Overflow));
    }
}

/// <summary>A connection that is being opened: a deadline, or a client that goes, breaks it off.</summary>
internal sealed class ConnectAttempt(Socket socket, TimerWheel wheel) : TimerEntry
{
    public bool TimedOut { get; private set; }

    public void Cancel()
    {
        wheel.Remove(this);
        socket.Dispose();
    }

    protected internal override void OnDeadline()
    {
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
}
