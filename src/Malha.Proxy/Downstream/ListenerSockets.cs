using System.Net;
using System.Net.Sockets;
using Malha.Configuration;

namespace Malha.Proxy.Downstream;

/// <summary>From an address as the operator writes it to bound sockets: <c>localhost</c> means both loopback addresses, <c>*</c> both families.</summary>
internal static class ListenerSockets
{
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public static Socket[] Bind(ListenAddress address, int backlog)
    {
        if (address.Ip is { } ip)
            return [Bind(new IPEndPoint(ip, address.Port), backlog)];
        if (address.Host == "*")
            return [Bind(new IPEndPoint(Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any, address.Port), backlog)];

        var first = Bind(new IPEndPoint(IPAddress.Loopback, address.Port), backlog);
        if (!Socket.OSSupportsIPv6)
            return [first];
        try
        {
            return [first, Bind(new IPEndPoint(IPAddress.IPv6Loopback, ((IPEndPoint)first.LocalEndPoint!).Port), backlog)];
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported)
        {
            // A machine without ::1 has one localhost.
            return [first];
        }
        catch (SocketException)
        {
            first.Dispose();
            throw;
        }
    }

    private static Socket Bind(IPEndPoint address, int backlog)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (address.Address.Equals(IPAddress.IPv6Any))
                socket.DualMode = true;
            socket.Bind(address);
            socket.Listen(backlog);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }
}
