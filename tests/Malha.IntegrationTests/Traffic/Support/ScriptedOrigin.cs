using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>A server whose every connection is served by what a test says. The number that the script gets counts connections from 1.</summary>
internal sealed class ScriptedOrigin : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly Func<Peer, int, Task> _serve;
    private readonly SslServerAuthenticationOptions? _tls;
    private readonly ConcurrentBag<Peer> _peers = [];
    private readonly ConcurrentBag<Task> _running = [];
    private readonly ConcurrentQueue<Exception> _faults = new();
    private readonly Task _accepting;
    private int _connections;

    private ScriptedOrigin(Func<Peer, int, Task> serve, SslServerAuthenticationOptions? tls, IPAddress address, int port)
    {
        _serve = serve;
        _tls = tls;
        _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(address, port));
        _listener.Listen(4096);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    public string Url => $"{(_tls is null ? "http" : "https")}://127.0.0.1:{Port}";

    /// <summary>Connections so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>What went wrong in a script, other than a connection that broke.</summary>
    public IReadOnlyCollection<Exception> Faults => _faults;

    public static ScriptedOrigin Start(Func<Peer, int, Task> serve, SslServerAuthenticationOptions? tls = null, IPAddress? address = null, int port = 0) =>
        new(serve, tls, address ?? IPAddress.Loopback, port);

    public static ScriptedOrigin Start(Func<Peer, Task> serve, SslServerAuthenticationOptions? tls = null) => Start((peer, _) => serve(peer), tls);

    /// <summary>Answers each whole request with what the function makes of it.</summary>
    public static ScriptedOrigin Answering(Func<WireRequest, string> answer, SslServerAuthenticationOptions? tls = null, IPAddress? address = null, int port = 0) => Start(async (peer, _) =>
    {
        while (await peer.ReadRequestAsync() is { } request)
            await peer.SendAsync(answer(request));
    }, tls, address, port);

    /// <summary>Answers each request with its own line, fields and body, as text.</summary>
    public static ScriptedOrigin Echoing() => Answering(request => Answer(Echo(request)));

    public static string Echo(WireRequest request) =>
        $"{request.Method} {request.Target}\n{string.Concat(request.Fields.Concat(request.Trailers).Select(field => $"{field.Name}: {field.Value}\n"))}\n{WireText.Text(request.Body)}";

    public static string Answer(string body, string fields = "", int status = 200) =>
        $"HTTP/1.1 {status} Answered\r\nContent-Length: {body.Length}\r\n{fields}\r\n{body}";

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
        foreach (var peer in _peers)
            await peer.DisposeAsync();
        await Task.WhenAll(_running);
        Assert.True(_faults.IsEmpty, string.Join('\n', _faults));
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync();
                var number = Interlocked.Increment(ref _connections);
                _running.Add(Task.Run(() => ServeAsync(socket, number)));
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The listener was disposed.
        }
    }

    private async Task ServeAsync(Socket socket, int number)
    {
        Peer? peer = null;
        try
        {
            SslStream? secured = null;
            if (_tls is not null)
            {
                secured = new SslStream(new NetworkStream(socket, ownsSocket: false));
                await secured.AuthenticateAsServerAsync(_tls);
            }
            peer = new Peer(socket, secured);
            _peers.Add(peer);
            await _serve(peer, number);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or IOException or System.Security.Authentication.AuthenticationException)
        {
            // A connection that breaks is everyday here.
        }
        catch (Exception exception)
        {
            _faults.Enqueue(exception);
        }
        finally
        {
            if (peer is not null)
                await peer.DisposeAsync();
            socket.Dispose();
        }
    }
}
