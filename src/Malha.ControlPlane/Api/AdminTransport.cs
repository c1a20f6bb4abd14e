using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Malha.ControlPlane.Api;

/// <summary>
/// Gives the admin API's connections to its server. The server's own listener tries again at once when the process may not open another file: that would hold up
/// the thread of the socket engine that it does so on, and all traffic there.
/// </summary>
/// <param name="sockets">Bound, and listening.</param>
/// <param name="time">Waits.</param>
internal sealed class AdminTransport(Socket[] sockets, TimeProvider time) : IConnectionListenerFactory
{
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        new(new Listener(Array.Find(sockets, socket => endpoint.Equals(socket.LocalEndPoint))!, time));

    private sealed class Listener(Socket socket, TimeProvider time) : IConnectionListener
    {
        private static readonly TimeSpan BackOff = TimeSpan.FromMilliseconds(100);

        private readonly SocketConnectionContextFactory _connections = new(new SocketConnectionFactoryOptions(), NullLogger.Instance);

        public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                try
                {
                    return _connections.Create(await socket.AcceptAsync(cancellationToken));
                }
                catch (ObjectDisposedException)
                {
                    return null;
                }
                catch (SocketException exception) when (exception.SocketErrorCode == SocketError.OperationAborted)
                {
                    return null;
                }
                catch (SocketException)
                {
                    await Task.Delay(BackOff, time, cancellationToken);
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            socket.Dispose();
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync()
        {
            socket.Dispose();
            _connections.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
