using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Malha.Configuration;

namespace Malha.Proxy.Tls;

/// <summary>One certificate of a listener, with its chain and its key, as it was when the configuration came into force.</summary>
internal sealed class ServerCertificate
{
    /// <exception cref="CryptographicException">A file does not hold what it should; the other exceptions say that it cannot be read.</exception>
    public ServerCertificate(CertificateConfig config, X509Certificate2Collection? clientAuthorities)
    {
        Config = config;
        var pem = File.ReadAllText(config.Certificate!.Path);
        Certificate = X509Certificate2.CreateFromPem(pem, File.ReadAllText(config.Key!.Path));
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(pem);
        // Clients with several certificates choose by the names of the authorities.
        var trust = clientAuthorities is null ? null : SslCertificateTrust.CreateForX509Collection(clientAuthorities, sendTrustInHandshake: true);
        // Nothing is fetched: the file has the chain.
        Context = SslStreamCertificateContext.Create(Certificate, chain, offline: true, trust);
        Hosts = PeerIdentity.HostsOf(Certificate);
    }

    public CertificateConfig Config { get; }

    public X509Certificate2 Certificate { get; }

    /// <summary>What SslStream presents; OpenSSL's session tickets live with it, and with those that are alike.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>The hosts that it names, wildcards as <c>*.example</c>.</summary>
    public string[] Hosts { get; }

    /// <summary>What it is called in metrics and events: its first host, else its subject.</summary>
    public string Name => Hosts.Length > 0 ? Hosts[0] : Certificate.Subject;

    public DateTimeOffset NotBefore => Certificate.NotBefore.ToUniversalTime();

    public DateTimeOffset NotAfter => Certificate.NotAfter.ToUniversalTime();

    public string Sha256 => Certificate.GetCertHashString(HashAlgorithmName.SHA256);
}
