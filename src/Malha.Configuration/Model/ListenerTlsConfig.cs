namespace Malha.Configuration;

/// <summary>TLS in front of a listener.</summary>
public sealed record ListenerTlsConfig : ConfigItem
{
    /// <summary>
    /// The certificates, the first of them for clients that name no host or one that no certificate has. The short form of a single one
    /// (<c>certificate</c> and <c>key</c> beside the other keys) stands here too.
    /// </summary>
    public ConfigList<CertificateConfig> Certificates { get; init; } = [];

    /// <summary>PEM certificates of the authorities whose clients may connect; null: nobody is asked for a certificate.</summary>
    public ConfigFile? ClientCa { get; init; }

    public TlsVersion MinVersion { get; init; } = Defaults.TlsMinVersion.Value;

    /// <summary>From the connection to the end of the handshake.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = Defaults.HandshakeTimeout.Value;

    /// <summary>The most handshakes at a time.</summary>
    public int MaxHandshakes { get; init; } = Defaults.MaxHandshakes.Value;
}

/// <summary>One certificate of a listener.</summary>
public sealed record CertificateConfig : ConfigItem
{
    /// <summary>The PEM certificate, with its chain.</summary>
    public ConfigFile? Certificate { get; init; }

    /// <summary>Its PEM private key.</summary>
    public ConfigFile? Key { get; init; }
}

/// <summary>A version of TLS that is spoken.</summary>
public enum TlsVersion
{
    /// <summary>TLS 1.2, with forward secrecy and authenticated ciphers only.</summary>
    Tls12,

    /// <summary>TLS 1.3.</summary>
    Tls13,
}
