using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Downstream.Http2;
using Malha.Proxy.Http1;
using Malha.Proxy.Identity;
using Malha.Proxy.Tls;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream;

/// <summary>One listener of the configuration: accepts connections, up to its limit, and knows those that are open.</summary>
internal sealed class ClientListener : IDisposable
{
    private const int Backlog = 4096;

    /// <summary>What is spoken inside TLS, as ALPN calls it.</summary>
    private static readonly SslApplicationProtocol[] Protocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];

    /// <summary>Without descriptors or memory, accepting again at once would only burn a core.</summary>
    private static readonly TimeSpan AcceptBackOff = TimeSpan.FromMilliseconds(100);

    private readonly Socket[] _sockets;
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _belowLimit;
    private ClientConnection? _open;
    private int _count;
    private long _accepted;
    private Settings _settings;

    /// <param name="plane">What all connections share.</param>
    /// <param name="config">The listener's keys.</param>
    /// <param name="tls">Its certificates; null: connections are in clear.</param>
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public ClientListener(DataPlane plane, ListenerConfig config, ServerTls? tls)
    {
        Plane = plane;
        _settings = new Settings(config, tls);
        Http2 = new Http2Server(plane, config);
        _sockets = ListenerSockets.Bind(config.Address, Backlog);
        Address = (IPEndPoint)_sockets[0].LocalEndPoint!;
    }

    public DataPlane Plane { get; }

    public ListenerConfig Config => Volatile.Read(ref _settings).Config;

    public HeadLimits HeadLimits => Volatile.Read(ref _settings).HeadLimits;

    /// <summary>The certificates in force; null: connections are in clear.</summary>
    public ServerTls? Tls => Volatile.Read(ref _settings).Tls;

    /// <summary>TLS handshakes, under way and past.</summary>
    public HandshakeState Handshakes { get; } = new();

    /// <summary>The address that it is bound to, with the port that it got.</summary>
    public IPEndPoint Address { get; }

    /// <summary>Connections open now.</summary>
    public int Connections => Volatile.Read(ref _count);

    /// <summary>Connections accepted since it was bound.</summary>
    public long Accepted => Volatile.Read(ref _accepted);

    public bool IsDraining { get; private set; }

    /// <summary>Peers whose forwarding fields are believed.</summary>
    public NetworkTable TrustedProxies => Volatile.Read(ref _settings).TrustedProxies;

    /// <summary>Serves connections that speak HTTP/2.</summary>
    public Http2Server Http2 { get; }

    public void Start()
    {
        foreach (var socket in _sockets)
            _ = AcceptAsync(socket);
    }

    /// <summary>A listener's certificates, read from their files; those that are in force when nothing about them has changed.</summary>
    /// <param name="config">The listener's keys.</param>
    /// <param name="inForce">What it has now.</param>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file does not hold what it should; the other exceptions say that it cannot be read.</exception>
    public static ServerTls? Compile(ListenerConfig config, ServerTls? inForce) =>
        config.Tls is null ? null : config.Tls == inForce?.Config ? inForce : new ServerTls(config.Tls, Protocols);

    /// <summary>
    /// New settings for the same address. Connections that are open take them up with their next request; what is new about TLS holds for new connections.
    /// </summary>
    public void Update(ListenerConfig config, ServerTls? tls)
    {
        Volatile.Write(ref _settings, new Settings(config, tls));
        // The limit may be a higher one now.
        Wake();
    }

    /// <summary>Stops accepting, lets resting connections go and the others finish; those that have not by then are cut.</summary>
    public async Task DrainAsync(TimeSpan patience)
    {
        IsDraining = true;
        foreach (var socket in _sockets)
            socket.Dispose();
        Handshakes.EndAll();
        foreach (var connection in Open())
            connection.Drain();
        try
        {
            if (Connections > 0)
                await _drained.Task.WaitAsync(patience, Plane.Time);
        }
        catch (TimeoutException)
        {
            foreach (var connection in Open())
                connection.Abort();
        }
        Http2.Dispose();
    }

    public void Ended(ClientConnection connection)
    {
        lock (_lock)
        {
            if (connection.PreviousOpen is null)
                _open = connection.NextOpen;
            else
                connection.PreviousOpen.NextOpen = connection.NextOpen;
            if (connection.NextOpen is not null)
                connection.NextOpen.PreviousOpen = connection.PreviousOpen;
        }
        Left();
    }

    /// <summary>Ends connections that rest between two requests, so many at most.</summary>
    public void LetRestingGo(int most)
    {
        foreach (var connection in Open())
        {
            if (most > 0 && connection.TryLetGo())
                most--;
        }
    }

    /// <summary>The connection turns out to speak HTTP/2: another object takes its place.</summary>
    /// <param name="before">Has stopped reading.</param>
    /// <param name="after">Goes on with it.</param>
    /// <param name="received">What has come.</param>
    public void HandOver(ClientConnection before, Http2Connection after, ReadOnlySpan<byte> received)
    {
        lock (_lock)
        {
            after.PreviousOpen = before.PreviousOpen;
            after.NextOpen = before.NextOpen;
            if (before.PreviousOpen is null)
                _open = after;
            else
                before.PreviousOpen.NextOpen = after;
            if (before.NextOpen is not null)
                before.NextOpen.PreviousOpen = after;
        }
        after.Start(received);
        // Whoever drained the list just now may have asked the one that is no longer there.
        if (IsDraining)
            after.Drain();
    }

    public void Dispose()
    {
        foreach (var socket in _sockets)
            socket.Dispose();
        Http2.Dispose();
    }

    private async Task AcceptAsync(Socket listening)
    {
        while (!IsDraining)
        {
            try
            {
                Serve(await listening.AcceptAsync());
                while (BelowLimit() is { } belowLimit)
                    await belowLimit;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.OperationAborted)
            {
                return;
            }
            catch (SocketException exception)
            {
                Plane.Protection.AcceptFailed(exception.SocketErrorCode);
                await Task.Delay(AcceptBackOff, Plane.Time);
            }
        }
    }

    // A task to wait for when the listener, or the gateway, is full: until then the kernel's backlog is the queue.
    private Task? BelowLimit()
    {
        lock (_lock)
        {
            if ((_count < Config.MaxConnections && Plane.Protection.Accepts() && (Tls is not { } tls || Handshakes.Active < tls.Config.MaxHandshakes)) || IsDraining)
                return null;
            _belowLimit ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _belowLimit.Task;
        }
    }

    /// <summary>Looks again whether the next connection may come in.</summary>
    public void Wake()
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            waiting = _belowLimit;
            _belowLimit = null;
        }
        waiting?.TrySetResult();
    }

    private void Serve(Socket socket)
    {
        IPEndPoint? remote;
        SocketChannel channel;
        try
        {
            remote = socket.RemoteEndPoint as IPEndPoint;
            channel = new SocketChannel(socket);
        }
        catch (SocketException)
        {
            // Gone before it was looked at.
            socket.Dispose();
            return;
        }

        lock (_lock)
        {
            _accepted++;
            _count++;
        }
        Plane.Protection.Opened();
        if (Tls is { } tls)
            _ = SecureAsync(channel, remote, tls);
        else
            Begin(channel, remote);
    }

    private async Task SecureAsync(ByteChannel channel, IPEndPoint? remote, ServerTls tls)
    {
        try
        {
            var handshake = new ServerHandshake(channel, tls, Handshakes, Plane.Wheel);
            var securing = handshake.RunAsync();
            // In this order: either whoever drains sees the handshake, or this sees that the listener drains.
            if (IsDraining)
                handshake.End();
            if (await securing is { } secured)
            {
                // One may have waited for this one to end.
                Wake();
                Begin(secured, remote);
                return;
            }
            if (Handshakes.Tells(Plane.Wheel.NowMs))
            {
                Plane.Telemetry.Events.Warning(
                    "tls-handshake-failed", ("listener", Config.Name), ("client", remote?.Address.ToString() ?? "unknown"), ("reason", HandshakeFailures.NameOf(handshake.Failure)), ("problem", handshake.Problem!));
            }
        }
        catch (Exception exception)
        {
            // A bug, as in a connection: it costs this one only.
            Plane.Failed(exception);
        }
        channel.Dispose();
        Left();
    }

    // Where it is decided what is spoken on a connection: its TLS may have agreed on something (ByteChannel.Tls), its first bytes may tell.
    private void Begin(ByteChannel channel, IPEndPoint? remote)
    {
        if (channel.Tls?.ApplicationProtocol == SslApplicationProtocol.Http2)
        {
            var http2 = new Http2Connection(channel, remote, this);
            Add(http2);
            http2.Start([]);
            // Whoever drained the list just now may have come before it was served.
            if (IsDraining)
                http2.Drain();
            return;
        }
        var connection = new Http1Connection(channel, remote, this);
        Add(connection);
        _ = connection.RunAsync();
    }

    private void Add(ClientConnection connection)
    {
        lock (_lock)
        {
            connection.NextOpen = _open;
            if (_open is not null)
                _open.PreviousOpen = connection;
            _open = connection;
        }
    }

    // A connection has ended, whatever it had come to.
    private void Left()
    {
        lock (_lock)
        {
            _count--;
            if (_count == 0 && IsDraining)
                _drained.TrySetResult();
        }
        Plane.Protection.Closed();
        Wake();
    }

    private List<ClientConnection> Open()
    {
        var open = new List<ClientConnection>();
        lock (_lock)
        {
            for (var connection = _open; connection is not null; connection = connection.NextOpen)
                open.Add(connection);
        }
        return open;
    }

    private sealed record Settings(ListenerConfig Config, ServerTls? Tls)
    {
        public HeadLimits HeadLimits { get; } = new((int)Config.MaxHeaderSize, Config.MaxHeaders);

        public NetworkTable TrustedProxies { get; } = new(Config.TrustedProxies);
    }
}
