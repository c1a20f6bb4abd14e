using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Malha.IntegrationTests.Harness;

/// <summary>
/// An origin on a loopback port of its own that records every byte of every connection, echoes each good request (method, target, fields,
/// trailers, body) with a 200 and answers 400 to what it cannot read strictly. A script can take an echo's place, by the target's path.
/// </summary>
internal sealed class RecordingOrigin : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentDictionary<string, OriginScript> _scripts = new();
    private readonly List<OriginConnection> _connections = [];
    private readonly List<OriginRequest> _requests = [];
    private readonly List<Task> _running = [];
    private readonly Task _accepting;

    private RecordingOrigin()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(512);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    public Uri Url => new($"http://127.0.0.1:{Port}");

    public static RecordingOrigin Start() => new();

    public void Script(string path, OriginScript script) => _scripts[path] = script;

    public OriginMark Mark()
    {
        lock (Gate)
            return new OriginMark(_requests.Count, _connections.ToDictionary(connection => connection.Id, connection => connection.Received));
    }

    /// <summary>The requests since the mark, and the connections that got bytes since then and hold some that are no whole request.</summary>
    public OriginSeen Since(OriginMark mark)
    {
        lock (Gate)
        {
            var leftovers = _connections
                .Where(connection => connection.Received > mark.Received.GetValueOrDefault(connection.Id))
                .Select(connection => connection.Leftover)
                .Where(leftover => leftover.Bytes.Length > 0);
            return new OriginSeen([.. _requests.Skip(mark.Requests)], [.. leftovers]);
        }
    }

    public OriginConnection Connection(int id)
    {
        lock (Gate)
            return _connections[id - 1];
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
        _connections.ForEach(connection => connection.Stop());
        await Task.WhenAll(_running);
    }

    internal Lock Gate { get; } = new();

    internal OriginScript? ScriptFor(WireRequest request) => _scripts.GetValueOrDefault(request.Target.Split('?')[0]);

    internal OriginRequest Record(int connection, WireRequest message)
    {
        lock (Gate)
        {
            var request = new OriginRequest(_requests.Count + 1, connection, message);
            _requests.Add(request);
            return request;
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                Serve(await _listener.AcceptAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The listener was disposed.
        }
    }

    private void Serve(Socket socket)
    {
        lock (Gate)
        {
            var connection = new OriginConnection(this, _connections.Count + 1, socket);
            _connections.Add(connection);
            _running.Add(Task.Run(connection.RunAsync));
        }
    }
}
