using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ServiceTlsSection
{
    public static Section<ServiceTlsConfig> Section { get; } = new Section<ServiceTlsConfig>(
            "a map: ca, certificate, key, serverName, verify", _ => new ServiceTlsConfig())
        .Optional("ca", new FileShape("PEM certificates", CheckCertificates), "the system's authorities", t => t.Ca, (t, v) => t with { Ca = v },
            "The certificate authorities that are trusted instead of the system's.")
        .Optional("certificate", new FileShape("a PEM certificate with its chain", CheckCertificates), "none is presented",
            t => t.Certificate, (t, v) => t with { Certificate = v },
            "The certificate that Malha presents; goes with key.")
        .Optional("key", new FileShape("a PEM private key", CheckKey), "none", t => t.Key, (t, v) => t with { Key = v },
            "The private key of certificate, not encrypted.")
        .Optional("serverName", Forms.Host, "the endpoint's host", t => t.ServerName, (t, v) => t with { ServerName = v },
            "The name that is asked for (SNI) and that the service's certificate must have.")
        .Optional("verify", Forms.Boolean, Defaults.TlsVerify, t => t.Verify, (t, v) => t with { Verify = v },
            "Whether the service's certificate is checked. Turning it off lets anybody in between read and change everything.");

    private static string? CheckCertificates(byte[] content)
    {
        try
        {
            var certificates = new X509Certificate2Collection();
            certificates.ImportFromPem(Encoding.UTF8.GetString(content));
            foreach (var certificate in certificates)
                certificate.Dispose();
            return certificates.Count == 0 ? "holds no PEM certificate" : null;
        }
        catch (CryptographicException)
        {
            return "holds a PEM certificate that cannot be read";
        }
    }

    private static string? CheckKey(byte[] content)
    {
        var text = Encoding.UTF8.GetString(content);
        if (text.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal))
            return "holds an encrypted key, and there is nobody to type the password; store it unencrypted, readable for Malha only";
        return text.Contains("PRIVATE KEY-----", StringComparison.Ordinal) ? null : "holds no PEM private key";
    }
}
