using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ListenerTlsSection
{
    private static readonly Shape<TlsVersion> Version = new ChoiceShape<TlsVersion>(("TLSv1.2", TlsVersion.Tls12), ("TLSv1.3", TlsVersion.Tls13));

    private static readonly Section<CertificateConfig> Pair = new Section<CertificateConfig>("a map: certificate, key", _ => new CertificateConfig())
        .Required("certificate", CertificateFiles.Certificate, c => c.Certificate, (c, v) => c with { Certificate = v },
            "The certificate, its chain behind it in the same file. It is chosen by the names in it, wildcards included.")
        .Required("key", CertificateFiles.Key, c => c.Key, (c, v) => c with { Key = v },
            "The private key of certificate, not encrypted.");

    public static Section<ListenerTlsConfig> Section { get; } = new Section<ListenerTlsConfig>(
            "a map: certificate and key, or certificates; clientCa, …", _ => new ListenerTlsConfig())
        .Optional("certificate", CertificateFiles.Certificate, "that of certificates", t => Short(t)?.Certificate, (t, v) => With(t, one => one with { Certificate = v }),
            "The only certificate, its chain behind it in the same file; goes with key.")
        .Optional("key", CertificateFiles.Key, "that of certificates", t => Short(t)?.Key, (t, v) => With(t, one => one with { Key = v }),
            "The private key of certificate, not encrypted.")
        .Optional("certificates", new ListShape<CertificateConfig>(Pair, least: 1), "certificate and key",
            t => t.Source.Says("certificates") ? t.Certificates : null, (t, v) => t with { Certificates = v },
            "Several certificates. A client gets the one that has the name that it asks for, else the first.")
        .Optional("clientCa", CertificateFiles.Authorities, "clients are not asked for a certificate", t => t.ClientCa, (t, v) => t with { ClientCa = v },
            "The authorities of clients: each must show a certificate of theirs, else the handshake fails.")
        .Optional("minVersion", Version, Defaults.TlsMinVersion, t => t.MinVersion, (t, v) => t with { MinVersion = v },
            "The oldest version of TLS that is spoken.")
        .Optional("handshakeTimeout", Forms.Duration, Defaults.HandshakeTimeout, t => t.HandshakeTimeout, (t, v) => t with { HandshakeTimeout = v },
            "How long a handshake may take; a tenth of it while more than half of maxHandshakes are under way.")
        .Optional("maxHandshakes", Forms.Integer(1, 1_000_000), Defaults.MaxHandshakes, t => t.MaxHandshakes, (t, v) => t with { MaxHandshakes = v },
            "The most handshakes at a time; further connections wait until one ends.")
        .Checked(Check);

    // The short form is a list of one that the file does not write as a list.
    private static CertificateConfig? Short(ListenerTlsConfig tls) => tls.Source.Says("certificate") && tls.Certificates.Count == 1 ? tls.Certificates[0] : null;

    private static ListenerTlsConfig With(ListenerTlsConfig tls, Func<CertificateConfig, CertificateConfig> change) =>
        tls with { Certificates = [change(tls.Certificates.Count == 1 ? tls.Certificates[0] : new CertificateConfig())] };

    private static void Check(ListenerTlsConfig tls, ErrorList errors)
    {
        var source = tls.Source;
        var (certificate, key, several) = (source.Says("certificate"), source.Says("key"), source.Says("certificates"));
        if (several && (certificate || key))
            errors.Add(source.Of(certificate ? "certificate" : "key"), "certificate and key are the short form of certificates with one entry; write one of the two forms");
        else if (certificate && !key)
            errors.Add(source.Of("certificate"), "a certificate needs its private key; add key");
        else if (key && !certificate)
            errors.Add(source.Of("key"), "a private key needs its certificate; add certificate");
        else if (!certificate && !several)
            errors.Add(source, "TLS needs a certificate; add certificate and key, or certificates");
    }
}
