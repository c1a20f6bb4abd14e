using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Malha.Bench.Overload.Load;

/// <summary>WebSockets and event streams that stay open while the calls go by.</summary>
internal sealed class HeldConnections : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly List<Socket> _open = [];

    public int Opened => _open.Count;

    /// <summary>How many the other side has not closed.</summary>
    public int Alive => _open.Count(socket => !(socket.Poll(0, SelectMode.SelectRead) && !StillOpen(socket)));

    public static async Task<HeldConnections> OpenAsync(IReadOnlyList<HeldPlan> plans)
    {
        var held = new HeldConnections();
        foreach (var plan in plans)
        {
            for (var i = 0; i < plan.Count; i++)
                held._open.Add(await OpenAsync(plan));
        }
        return held;
    }

    public void Dispose() => _open.ForEach(socket => socket.Dispose());

    private static async Task<Socket> OpenAsync(HeldPlan plan)
    {
        using var patience = new CancellationTokenSource(Patience);
        var uri = new Uri(plan.Url);
        var upgrade = plan.WebSocket
            ? "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIGJlbmNoIGtlZXBzIQ==\r\n"
            : "Accept: text/event-stream\r\n";
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Parse(uri.Host), uri.Port, patience.Token);
        var head = Encoding.ASCII.GetBytes($"GET {uri.PathAndQuery} HTTP/1.1\r\nHost: {uri.Authority}\r\n{upgrade}\r\n");
        await socket.SendAsync(head, patience.Token);
        var buffer = new byte[1024];
        var read = await socket.ReceiveAsync(buffer, patience.Token);
        var status = Encoding.ASCII.GetString(buffer, 0, read).Split(' ').ElementAtOrDefault(1);
        return status == (plan.WebSocket ? "101" : "200")
            ? socket
            : throw new InvalidDataException($"{plan.Url} does not stay open: status {status ?? "none"}");
    }

    /// <summary>What has come is read and forgotten; an end of the stream is the other side's close.</summary>
    private static bool StillOpen(Socket socket)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (socket.Available > 0)
                socket.Receive(buffer);
            return !(socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
