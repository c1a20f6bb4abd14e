using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Malha.Tests.Configuration;

/// <summary>Self-signed certificates for tests that only look at their form.</summary>
internal static class TestCertificate
{
    private static readonly DateTimeOffset From = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static (string Certificate, string Key) Make(string name, int years = 30)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256).CreateSelfSigned(From, From.AddYears(years));
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}
