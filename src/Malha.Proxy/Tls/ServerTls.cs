using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Malha.Configuration;

namespace Malha.Proxy.Tls;

/// <summary>A listener's TLS, compiled: which certificate a client gets, what is spoken, and who must show one of its own.</summary>
/// <remarks>
/// SslStream keeps OpenSSL's context, and with it session tickets, for options without a list of cipher suites only; without one it would speak CBC in TLS 1.2.
/// So whoever offers TLS 1.3 is served with that alone, where all suites are authenticated ones; the others get the list, and no resumption. The list's options
/// allow 1.3 as well, so that a hello that somebody has shortened to 1.2 on its way is told as a downgrade (RFC 8446, 4.1.3).
/// </remarks>
internal sealed class ServerTls
{
    /// <summary>Forward secrecy and authenticated encryption: Mozilla's intermediate profile less finite-field Diffie-Hellman.</summary>
    private static readonly TlsCipherSuite[] Suites =
    [
        TlsCipherSuite.TLS_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];

    private readonly CertificateTable _table;
    private readonly X509Certificate2Collection? _clientAuthorities;
    private readonly List<SslApplicationProtocol> _protocols;
    private readonly CipherSuitesPolicy? _suites = OperatingSystem.IsLinux() ? new CipherSuitesPolicy(Suites) : null;

    /// <param name="config">The listener's key.</param>
    /// <param name="protocols">What the listener speaks inside, what it prefers first.</param>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file does not hold what it should.</exception>
    public ServerTls(ListenerTlsConfig config, params ReadOnlySpan<SslApplicationProtocol> protocols)
    {
        Config = config;
        _protocols = [.. protocols];
        if (config.ClientCa is { } authorities)
        {
            _clientAuthorities = [];
            _clientAuthorities.ImportFromPem(File.ReadAllText(authorities.Path));
        }
        Certificates = [.. config.Certificates.Select(one => new ServerCertificate(one, _clientAuthorities))];
        _table = new CertificateTable(Certificates);
    }

    public ListenerTlsConfig Config { get; }

    /// <summary>In the order of the file; the first one is the default.</summary>
    public ServerCertificate[] Certificates { get; }

    public bool AsksClients => _clientAuthorities is not null;

    /// <summary>The certificate for a host.</summary>
    public ServerCertificate Find(string? host) => _table.Find(host);

    /// <summary>The options for a client that says hello.</summary>
    /// <param name="host">What it asks for.</param>
    /// <param name="offersTls13">Whether it speaks TLS 1.3.</param>
    /// <param name="validate">Asked about the client's certificate when one is demanded.</param>
    public SslServerAuthenticationOptions Choose(string? host, bool offersTls13, RemoteCertificateValidationCallback validate)
    {
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = Find(host).Context,
            EnabledSslProtocols = offersTls13 || Config.MinVersion == TlsVersion.Tls13 ? SslProtocols.Tls13 : SslProtocols.Tls12 | SslProtocols.Tls13,
            ApplicationProtocols = _protocols,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CipherSuitesPolicy = offersTls13 ? null : _suites,
        };
        if (_clientAuthorities is null)
            return options;

        options.ClientCertificateRequired = true;
        options.RemoteCertificateValidationCallback = validate;
        options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        options.CertificateChainPolicy.CustomTrustStore.AddRange(_clientAuthorities);
        // A ticket keeps the client's own certificate and not its chain: whoever has one with an intermediate authority could not be verified again.
        options.AllowTlsResume = false;
        return options;
    }
}
