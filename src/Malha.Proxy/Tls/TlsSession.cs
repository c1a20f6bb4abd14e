using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Malha.Proxy.Tls;

/// <summary>What a handshake came to.</summary>
/// <param name="Protocol">The version of TLS.</param>
/// <param name="ServerName">The host that the client asked for; null when it named none.</param>
/// <param name="ApplicationProtocol">What both sides agreed to speak; the default value when nothing was agreed.</param>
/// <param name="Peer">The certificate that the peer showed, verified; null when it showed none.</param>
internal sealed record TlsSession(SslProtocols Protocol, string? ServerName, SslApplicationProtocol ApplicationProtocol, PeerIdentity? Peer)
{
    public static TlsSession Of(SslStream stream, string? serverName, bool isVerified) => new(
        stream.SslProtocol, serverName, stream.NegotiatedApplicationProtocol, isVerified && stream.RemoteCertificate is X509Certificate2 peer ? PeerIdentity.Of(peer) : null);
}
