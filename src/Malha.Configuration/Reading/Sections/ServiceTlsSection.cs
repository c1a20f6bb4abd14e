using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ServiceTlsSection
{
    public static Section<ServiceTlsConfig> Section { get; } = new Section<ServiceTlsConfig>(
            "a map: ca, certificate, key, serverName, verify", _ => new ServiceTlsConfig())
        .Optional("ca", CertificateFiles.Authorities, "the system's authorities", t => t.Ca, (t, v) => t with { Ca = v },
            "The certificate authorities that are trusted instead of the system's.")
        .Optional("certificate", CertificateFiles.Certificate, "none is presented",
            t => t.Certificate, (t, v) => t with { Certificate = v },
            "The certificate that Malha presents; goes with key.")
        .Optional("key", CertificateFiles.Key, "none", t => t.Key, (t, v) => t with { Key = v },
            "The private key of certificate, not encrypted.")
        .Optional("serverName", Forms.Host, "the endpoint's host", t => t.ServerName, (t, v) => t with { ServerName = v },
            "The name that is asked for (SNI) and that the service's certificate must have.")
        .Optional("verify", Forms.Boolean, Defaults.TlsVerify, t => t.Verify, (t, v) => t with { Verify = v },
            "Whether the service's certificate is checked. Turning it off lets anybody in between read and change everything.");
}
