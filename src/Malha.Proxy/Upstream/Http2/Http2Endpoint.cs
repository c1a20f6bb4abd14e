using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Malha.Configuration;
using Malha.Proxy.Timing;
using Malha.Proxy.Tls;

namespace Malha.Proxy.Upstream.Http2;

/// <summary>The connections to an endpoint that speaks HTTP/2: .NET's own client, which shares few connections among many calls.</summary>
internal sealed class Http2Endpoint
{
    /// <summary>What a server lets a connection carry at a time (RFC 9113, 6.5.2 advises no less); with the connections it bounds what is under way.</summary>
    private const int StreamsPerConnection = 100;

    private readonly EndpointState _endpoint;
    private readonly UpstreamTls? _tls;
    private readonly HttpMessageInvoker _invoker;
    private readonly TimeSpan _connectTimeout;
    private readonly int _maxConnections;
    private readonly long _most;
    private int _open;
    private long _inFlight;

    public Http2Endpoint(EndpointState endpoint, UpstreamTls? tls, ServiceConfig service)
    {
        _endpoint = endpoint;
        _tls = tls;
        _connectTimeout = service.ConnectTimeout;
        _maxConnections = service.MaxConnections;
        _most = ((long)service.MaxConnections * StreamsPerConnection) + service.MaxPending;
        _invoker = Connect(service, DialAsync);
    }

    /// <summary>Connections open now.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Whether it is what a service's settings ask for.</summary>
    public bool Fits(ServiceConfig service) =>
        service.ConnectTimeout == _connectTimeout && service.MaxConnections == _maxConnections
        && _most == ((long)service.MaxConnections * StreamsPerConnection) + service.MaxPending;

    /// <summary>Begins a call. Null when as many are under way as its connections could carry.</summary>
    public Http2Call? TryBegin(TimerWheel wheel)
    {
        if (Interlocked.Increment(ref _inFlight) <= _most)
            return new Http2Call(_endpoint, wheel, this, new CancellationTokenSource());
        Interlocked.Decrement(ref _inFlight);
        _endpoint.Metrics.ConnectRefused();
        return null;
    }

    public void Ended() => Interlocked.Decrement(ref _inFlight);

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, AttemptSlot slot, CancellationToken cancellation)
    {
        request.Options.Set(Http2RequestMessage.SlotKey, slot);
        return _invoker.SendAsync(request, cancellation);
    }

    private static HttpMessageInvoker Connect(ServiceConfig service, Func<HttpRequestMessage, CancellationToken, ValueTask<Stream>> dial) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        ActivityHeadersPropagator = null,
        EnableMultipleHttp2Connections = true,
        MaxConnectionsPerServer = service.MaxConnections,
        MaxResponseHeadersLength = UpstreamConnection.Limits.MaxSize / 1024,
        PooledConnectionIdleTimeout = Configuration.Defaults.PooledConnectionIdle.Value,
        ConnectTimeout = service.ConnectTimeout,
        // Bytes as they are, both ways, as in HTTP/1.1.
        RequestHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        ConnectCallback = (context, cancellation) => dial(context.InitialRequestMessage, cancellation),
    });

    private async ValueTask<Stream> DialAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        var metrics = _endpoint.Metrics;
        metrics.ConnectBegan();
        if (request.Options.TryGetValue(Http2RequestMessage.SlotKey, out var slot) && !slot.TryOpenFile())
        {
            metrics.ConnectEnded(ConnectOutcome.OutOfFiles);
            throw new DialException(ConnectOutcome.OutOfFiles);
        }
        Interlocked.Increment(ref _open);
        Stream? stream = null;
        var outcome = ConnectOutcome.Refused;
        try
        {
            stream = await _endpoint.DialAsync(() => Interlocked.Decrement(ref _open), cancellation);
            outcome = ConnectOutcome.Untrusted;
            if (_tls is not null)
                stream = await _tls.HandshakeAsync(stream, cancellation);
            outcome = ConnectOutcome.Connected;
            return stream;
        }
        catch (Exception exception) when (exception is SocketException or IOException or AuthenticationException or OperationCanceledException or InvalidOperationException)
        {
            if (stream is not null)
                await stream.DisposeAsync();
            if (cancellation.IsCancellationRequested)
                outcome = ConnectOutcome.TimedOut;
            throw new DialException(outcome, exception);
        }
        finally
        {
            metrics.ConnectEnded(outcome);
        }
    }
}

/// <summary>Why there is no connection, through the client library and back.</summary>
internal sealed class DialException(ConnectOutcome outcome, Exception? inner = null) : IOException(outcome.ToString(), inner)
{
    public ConnectOutcome Outcome { get; } = outcome;
}
