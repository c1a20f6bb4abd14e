using System.Net;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream;

/// <summary>One bound address: accepts connections, up to its limit, and knows those that are open.</summary>
internal sealed class Http1Listener : IDisposable
{
    private const int Backlog = 4096;

    private readonly Socket _socket;
    private readonly Lock _lock = new();
    private Http1Connection? _open;
    private int _count;
    private readonly ListenerConfig _config;

    public Http1Listener(DataPlane plane, ListenerConfig config, IPEndPoint address)
    {
        Plane = plane;
        _config = config;
        HeadLimits = new HeadLimits((int)config.MaxHeaderSize, config.MaxHeaders);
        _socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (address.Address.Equals(IPAddress.IPv6Any))
            _socket.DualMode = true;
        _socket.Bind(address);
        _socket.Listen(Backlog);
        Address = (IPEndPoint)_socket.LocalEndPoint!;
    }

    public DataPlane Plane { get; }

    public ListenerConfig Config => _config;

    public HeadLimits HeadLimits { get; }

    public IPEndPoint Address { get; }

    public int Connections => Volatile.Read(ref _count);

    public bool IsDraining { get; private set; }

    public bool Trusts(IPAddress? peer) => false;

    /// <summary>Accepts until the socket is closed.</summary>
    public async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _socket.AcceptAsync();
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                return;
            }
            Serve(socket);
        }
    }

    public void Ended(Http1Connection connection)
    {
        lock (_lock)
        {
            if (connection.PreviousOpen is null)
                _open = connection.NextOpen;
            else
                connection.PreviousOpen.NextOpen = connection.NextOpen;
            if (connection.NextOpen is not null)
                connection.NextOpen.PreviousOpen = connection.PreviousOpen;
            _count--;
        }
    }

    public void Dispose() => _socket.Dispose();

    private void Serve(Socket socket)
    {
        var connection = new Http1Connection(new SocketChannel(socket), socket.RemoteEndPoint as IPEndPoint, this);
        lock (_lock)
        {
            connection.NextOpen = _open;
            if (_open is not null)
                _open.PreviousOpen = connection;
            _open = connection;
            _count++;
        }
        _ = connection.RunAsync();
    }
}
