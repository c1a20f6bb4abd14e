using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Sharing;

/// <summary>A long way to a server: whatever is sent arrives later, in both directions, and in order.</summary>
internal sealed class SlowRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly TimeSpan _delay;
    private readonly int _port;
    private readonly Task _running;

    public SlowRelay(int port, TimeSpan delay)
    {
        _port = port;
        _delay = delay;
        _listener.Start();
        _running = Task.Run(AcceptAsync);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _listener.Stop();
        await _running.WaitAsync(Peer.Patience);
        _ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_ending.Token);
                _ = Task.Run(() => ServeAsync(client));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // It ends.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        using (client)
        {
            try
            {
                client.NoDelay = true;
                await server.ConnectAsync(IPAddress.Loopback, _port, _ending.Token);
                await Task.WhenAny(CopyAsync(client.GetStream(), server.GetStream()), CopyAsync(server.GetStream(), client.GetStream()));
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException or IOException)
            {
                // One side has gone.
            }
        }
    }

    // Each piece is under way for the same time; the next one is read meanwhile.
    private async Task CopyAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[16 * 1024];
        var last = Task.CompletedTask;
        while (await from.ReadAsync(buffer, _ending.Token) is var count and > 0)
            last = LaterAsync(last, to, buffer[..count]);
        await last;
    }

    private async Task LaterAsync(Task before, NetworkStream to, byte[] piece)
    {
        await Task.Delay(_delay, _ending.Token);
        await before;
        await to.WriteAsync(piece, _ending.Token);
    }
}
