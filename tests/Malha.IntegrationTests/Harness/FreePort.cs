using System.Net;
using System.Net.Sockets;

namespace Malha.IntegrationTests.Harness;

/// <summary>Ports for listeners that are not open yet, or come and go.</summary>
internal static class FreePort
{
    // Below those that the system gives to outgoing connections: a client that knocks at a closed port of that range may be given the very same one for its own
    // end, connects to itself, and holds the port.
    private const int First = 20_000;
    private const int Count = 10_000;

    private static int _next = Environment.ProcessId * 37 % Count;

    /// <summary>One that nothing listens on, and that is given to nobody else in this process.</summary>
    public static int Next()
    {
        while (true)
        {
            var port = First + (Interlocked.Increment(ref _next) % Count);
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException taken) when (taken.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
            {
                // The next one, then.
            }
        }
    }
}
