using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;
using StackExchange.Redis.Configuration;

namespace Malha.Proxy.Transport;

/// <summary>Keeps the Redis library's work off the threads that carry traffic.</summary>
internal sealed class OffEngineTunnel : Tunnel
{
    public override ValueTask<Stream?> BeforeAuthenticateAsync(EndPoint endpoint, ConnectionType connectionType, Socket? socket, CancellationToken cancellationToken) =>
        new(socket is null ? null : new OffEngineStream(socket));
}
