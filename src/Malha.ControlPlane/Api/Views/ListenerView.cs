using Malha.Proxy.Downstream;

namespace Malha.ControlPlane.Api.Views;

/// <summary>A listener and who is connected.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Address">The address that it is bound to, with the port that it got.</param>
/// <param name="Connections">Connections that are open.</param>
/// <param name="MaxConnections">The most of them.</param>
/// <param name="Accepted">Connections accepted since it was bound.</param>
/// <param name="Draining">Whether it takes no more.</param>
/// <param name="HeaderTimeoutMs">For a request's head.</param>
/// <param name="IdleTimeoutMs">Between two requests.</param>
/// <param name="BodyTimeoutMs">Between two reads of a body.</param>
/// <param name="MaxHeaderBytes">The largest head.</param>
/// <param name="Tls">Its TLS; null when connections are in clear.</param>
public sealed record ListenerView(
    string Name, string Address, int Connections, int MaxConnections, long Accepted, bool Draining, double HeaderTimeoutMs, double IdleTimeoutMs,
    double BodyTimeoutMs, long MaxHeaderBytes, ListenerTlsView? Tls)
{
    internal static ListenerView Of(ClientListener listener)
    {
        var config = listener.Config;
        return new ListenerView(
            config.Name,
            listener.Address.ToString(),
            listener.Connections,
            config.MaxConnections,
            listener.Accepted,
            listener.IsDraining,
            config.HeaderTimeout.TotalMilliseconds,
            config.IdleTimeout.TotalMilliseconds,
            config.BodyTimeout.TotalMilliseconds,
            config.MaxHeaderSize,
            listener.Tls is { } tls ? ListenerTlsView.Of(tls, listener.Handshakes) : null);
    }
}
