using System.Security.Authentication;
using Malha.Configuration;
using Malha.Proxy.Tls;

namespace Malha.ControlPlane.Api.Views;

/// <summary>A listener's TLS.</summary>
/// <param name="MinVersion">The oldest version that is spoken: `1.2` or `1.3`.</param>
/// <param name="AsksClients">Whether clients must show a certificate.</param>
/// <param name="Certificates">The certificates in force, the default one first.</param>
/// <param name="HandshakesActive">Handshakes under way.</param>
/// <param name="MaxHandshakes">The most of them.</param>
/// <param name="Handshakes">Those that were completed since the listener was bound.</param>
/// <param name="Failures">Those that failed, by reason; reasons that have not occurred are left out.</param>
/// <param name="LastFailure">What the last one that failed has failed of; null when none has.</param>
public sealed record ListenerTlsView(
    string MinVersion, bool AsksClients, IReadOnlyList<CertificateView> Certificates, int HandshakesActive, int MaxHandshakes, long Handshakes,
    IReadOnlyDictionary<string, long> Failures, string? LastFailure)
{
    internal static ListenerTlsView Of(ServerTls tls, HandshakeState handshakes) => new(
        tls.Config.MinVersion == TlsVersion.Tls13 ? "1.3" : "1.2",
        tls.AsksClients,
        [.. tls.Certificates.Select(CertificateView.Of)],
        handshakes.Active,
        tls.Config.MaxHandshakes,
        handshakes.Completed(SslProtocols.Tls12) + handshakes.Completed(SslProtocols.Tls13),
        Enum.GetValues<HandshakeFailure>().Select(failure => (Name: HandshakeFailures.NameOf(failure), Count: handshakes.Failed(failure)))
            .Where(one => one.Count > 0).ToDictionary(one => one.Name, one => one.Count, StringComparer.Ordinal),
        handshakes.LastFailure);
}

/// <summary>A certificate in force.</summary>
/// <param name="File">The file that it was read from.</param>
/// <param name="Hosts">The hosts that it names.</param>
/// <param name="Subject">Whom it names.</param>
/// <param name="Issuer">Who issued it.</param>
/// <param name="NotBefore">From when it is valid.</param>
/// <param name="NotAfter">When it expires.</param>
/// <param name="Sha256">Its digest.</param>
public sealed record CertificateView(
    string File, IReadOnlyList<string> Hosts, string Subject, string Issuer, DateTimeOffset NotBefore, DateTimeOffset NotAfter, string Sha256)
{
    internal static CertificateView Of(ServerCertificate certificate) => new(
        certificate.Config.Certificate!.Path, certificate.Hosts, certificate.Certificate.Subject, certificate.Certificate.Issuer, certificate.NotBefore, certificate.NotAfter,
        certificate.Sha256);
}
