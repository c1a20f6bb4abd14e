using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Lanes.Support;

/// <summary>What the server was asked: when, and what it answered.</summary>
internal sealed record LedgerEntry(WireRequest Request, DateTimeOffset At)
{
    public string? Field(string name) => Request.Value(name);
}

/// <summary>A server that writes down each request before it answers, and that can be away and come back at the same address.</summary>
internal sealed class LedgerServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<LedgerEntry> _entries = new();
    private readonly ConcurrentBag<Socket> _open = [];
    private readonly ConcurrentBag<Task> _serving = [];
    private Socket? _listener;
    private Task _accepting = Task.CompletedTask;
    private int _inside;
    private int _most;

    private LedgerServer(int port) => Port = port;

    public int Port { get; }

    public string Url => $"http://127.0.0.1:{Port}";

    /// <summary>What it answers; null: it breaks the connection off instead.</summary>
    public Func<LedgerEntry, Task<string?>> Answer { get; set; } = _ => Task.FromResult<string?>(ScriptedOrigin.Answer("done"));

    public IReadOnlyList<LedgerEntry> Entries => [.. _entries];

    /// <summary>The most requests that it had at a time.</summary>
    public int Most => Volatile.Read(ref _most);

    /// <summary>One that is away, at an address that nobody else has.</summary>
    public static LedgerServer Away() => new(FreePort.Next());

    public static LedgerServer Start()
    {
        var server = Away();
        server.Come();
        return server;
    }

    public void Come()
    {
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        _listener.Listen(1024);
        _accepting = AcceptAsync(_listener);
    }

    public async Task GoAsync()
    {
        _listener?.Dispose();
        await _accepting;
        while (_open.TryTake(out var socket))
            socket.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await GoAsync();
        await Task.WhenAll(_serving);
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync();
                _open.Add(socket);
                _serving.Add(Task.Run(() => ServeAsync(socket)));
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It has gone.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        await using var peer = new Peer(socket);
        try
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                var entry = new LedgerEntry(request, TimeProvider.System.GetUtcNow());
                _entries.Enqueue(entry);
                var inside = Interlocked.Increment(ref _inside);
                while (Volatile.Read(ref _most) is var most && inside > most && Interlocked.CompareExchange(ref _most, inside, most) != most)
                {
                }
                var answer = await Answer(entry);
                Interlocked.Decrement(ref _inside);
                if (answer is null)
                    return;
                await peer.SendAsync(answer);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or IOException or TimeoutException)
        {
            // A connection that breaks, or rests.
        }
    }
}
