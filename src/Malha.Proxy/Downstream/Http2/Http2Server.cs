using System.Net;
using System.Threading.Channels;
using Malha.Configuration;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>
/// Kestrel's HTTP/2 for one listener: it gets its connections from us and hands its requests to us. Started with the first connection, since a gateway that
/// nobody speaks HTTP/2 to must not pay for it.
/// </summary>
internal sealed class Http2Server(DataPlane plane, ListenerConfig config) : IDisposable
{
    /// <summary>What a client may have under way on one connection (RFC 9113, 6.5.2 advises at least 100; Envoy and nginx: 128).</summary>
    public const int MaxStreams = 128;

    /// <summary>What a client may send ahead of being read, for a stream and for all (nginx 64 KiB a stream; Kestrel 768 KiB and 1 MiB).</summary>
    private const int StreamWindow = 256 * 1024;
    private const int ConnectionWindow = 512 * 1024;

    private readonly Lock _starting = new();
    private Kestrel? _server;
    private ListenerConfig _config = config;
    private bool _isDisposed;

    /// <summary>Serves a connection, from now until it ends. Starting takes its time, and is not for a thread of the socket engine.</summary>
    public void Serve(Http2Transport connection)
    {
        if (Volatile.Read(ref _server) is { } running)
            running.Take(connection);
        else
            ThreadPool.UnsafeQueueUserWorkItem(static first => first.Server.Begin(first.Connection), (Server: this, Connection: connection), preferLocal: false);
    }

    /// <summary>New settings for the listener; timeouts hold from the next time that one begins, sizes for new connections.</summary>
    public void Update(ListenerConfig config)
    {
        lock (_starting)
        {
            _config = config;
            if (_server is not null)
                Apply(config, _server.Limits);
        }
    }

    public void Dispose()
    {
        Kestrel? server;
        lock (_starting)
        {
            _isDisposed = true;
            server = _server;
        }
        server?.Dispose();
    }

    private void Begin(Http2Transport connection)
    {
        Kestrel? running = null;
        try
        {
            running = Start();
        }
        catch (Exception exception)
        {
            // A bug; it must not end the process.
            plane.Failed(exception);
        }
        if (running is not null)
            running.Take(connection);
        else
            _ = connection.DisposeAsync().AsTask();
    }

    // Null when the listener is gone: whoever came so late is cut off with it.
    private Kestrel? Start()
    {
        lock (_starting)
        {
            if (_server is not null || _isDisposed)
                return _server;
            var options = new KestrelServerOptions { AddServerHeader = false, RequestHeaderEncodingSelector = Latin1, ResponseHeaderEncodingSelector = Latin1 };
            Apply(_config, options.Limits);
            options.Listen(new IPEndPoint(IPAddress.Loopback, 0), listen => listen.Protocols = HttpProtocols.Http2);
            var server = new Kestrel(options, new Http2Application(plane));
            Volatile.Write(ref _server, server);
            return server;
        }
    }

    // Bytes as they are, both ways, as in HTTP/1.1.
    private static System.Text.Encoding Latin1(string name) => System.Text.Encoding.Latin1;

    private static void Apply(ListenerConfig config, KestrelServerLimits limits)
    {
        limits.KeepAliveTimeout = config.IdleTimeout;
        limits.RequestHeadersTimeout = config.HeaderTimeout;
        // What is somewhat too large is answered 431 by us; only beyond that Kestrel ends the connection, and all its streams with it.
        limits.MaxRequestHeaderCount = (2 * config.MaxHeaders) + Http2Request.PseudoFields;
        limits.MaxRequestHeadersTotalSize = 2 * (int)config.MaxHeaderSize;
        limits.MaxRequestLineSize = 2 * (int)config.MaxHeaderSize;
        limits.Http2.MaxRequestHeaderFieldSize = 2 * (int)config.MaxHeaderSize;
        limits.Http2.MaxStreamsPerConnection = MaxStreams;
        limits.Http2.InitialStreamWindowSize = StreamWindow;
        limits.Http2.InitialConnectionWindowSize = ConnectionWindow;
        // Ours hold: a service's maxBody, and a listener's bodyTimeout and minBodyRate.
        limits.MaxRequestBodySize = null;
        limits.MinRequestBodyDataRate = null;
        limits.MaxRequestBufferSize = Math.Max(1024 * 1024, 2 * config.MaxHeaderSize);
    }

    /// <summary>A server that runs. In a class of its own, so that nothing of it is loaded before it is needed.</summary>
    private sealed class Kestrel : IDisposable
    {
        private readonly Channel<ConnectionContext> _accepted = Channel.CreateUnbounded<ConnectionContext>(new UnboundedChannelOptions { SingleReader = true });
        private readonly KestrelServer _server;

        public Kestrel(KestrelServerOptions options, Http2Application application)
        {
            _server = new KestrelServer(Options.Create(options), new Factory(_accepted.Reader), NullLoggerFactory.Instance);
            // Nothing in it waits: it binds nothing.
            _server.StartAsync(application, CancellationToken.None).GetAwaiter().GetResult();
        }

        public KestrelServerLimits Limits => _server.Options.Limits;

        public void Take(ConnectionContext connection) => _accepted.Writer.TryWrite(connection);

        public void Dispose()
        {
            _accepted.Writer.TryComplete();
            _server.Dispose();
        }
    }

    private sealed class Factory(ChannelReader<ConnectionContext> accepted) : IConnectionListenerFactory
    {
        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            new(new Listener(accepted, endpoint));
    }

    private sealed class Listener(ChannelReader<ConnectionContext> accepted, EndPoint endpoint) : IConnectionListener
    {
        private readonly CancellationTokenSource _unbound = new();

        public EndPoint EndPoint { get; } = endpoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                while (await accepted.WaitToReadAsync(_unbound.Token))
                {
                    if (accepted.TryRead(out var connection))
                        return connection;
                }
            }
            catch (OperationCanceledException)
            {
                // Unbound: no other comes.
            }
            return null;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => new(_unbound.CancelAsync());

        public ValueTask DisposeAsync()
        {
            _unbound.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
