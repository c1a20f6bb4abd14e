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
    private static readonly TimeSpan AcceptWait = TimeSpan.FromMilliseconds(50);

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentDictionary<string, OriginScript> _scripts = new();
    private readonly List<OriginConnection> _connections = [];
    private readonly List<OriginRequest> _requests = [];
    private readonly List<Task> _running = [];
    private readonly Task _accepting;
    private volatile bool _isDisposed;

    private RecordingOrigin()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(512);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = Task.Factory.StartNew(Accept, TaskCreationOptions.LongRunning);
    }

    public int Port { get; }

    public Uri Url => new($"http://127.0.0.1:{Port}");

    public static RecordingOrigin Start() => new();

    public void Script(string path, OriginScript script) => _scripts[path] = script;

    /// <summary>
    /// A place in the record, once all that has arrived is in it. What the proxy has sent over loopback before has arrived; so nothing of it
    /// counts as after the mark.
    /// </summary>
    public async Task<OriginMark> MarkAsync()
    {
        await SettleAsync();
        lock (Gate)
            return new OriginMark(_requests.Count, _connections.ToDictionary(connection => connection.Id, connection => connection.Received));
    }

    /// <summary>The requests since the mark, and the connections that got bytes since then and hold some that are no whole request.</summary>
    public async Task<OriginSeen> SinceAsync(OriginMark mark)
    {
        await SettleAsync();
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
        _isDisposed = true;
        await _accepting;
        _listener.Dispose();
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

    // A script that waits for something keeps its connection busy; then the record is taken as it is.
    private async Task SettleAsync()
    {
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        for (var attempt = 0; attempt < 2000 && !IsSettled(); attempt++)
            await poll.WaitForNextTickAsync();
    }

    private void Accept()
    {
        try
        {
            while (!_isDisposed)
            {
                // Waits without taking, as its connections do.
                _listener.Poll(AcceptWait, SelectMode.SelectRead);
                lock (Gate)
                    AcceptArrivals();
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The listener was disposed.
        }
    }

    private void AcceptArrivals()
    {
        while (_listener.Poll(TimeSpan.Zero, SelectMode.SelectRead))
        {
            var connection = new OriginConnection(this, _connections.Count + 1, _listener.Accept());
            _connections.Add(connection);
            _running.Add(Task.Run(connection.RunAsync));
        }
    }

    private bool IsSettled()
    {
        lock (Gate)
        {
            AcceptArrivals();
            return _connections.TrueForAll(connection => connection.IsSettled);
        }
    }
}
