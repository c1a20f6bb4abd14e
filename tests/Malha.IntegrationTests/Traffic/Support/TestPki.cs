using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>A certificate authority of a test's own, and a folder for what it issues.</summary>
internal sealed class TestPki : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("malha-tls-");

    public TestPki(string name = "malha tests")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        Authority = request.CreateSelfSigned(Now.AddYears(-2), Now.AddYears(2));
        Ca = Write("ca.pem", Authority.ExportCertificatePem());
    }

    public static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public X509Certificate2 Authority { get; }

    /// <summary>The file with the authority's certificate.</summary>
    public string Ca { get; }

    public string Folder => _folder.FullName;

    /// <summary>A certificate for these hosts, addresses and URIs; the first one is its common name too.</summary>
    public X509Certificate2 Issue(params string[] names) => Issue(names, Now.AddDays(-10), Now.AddDays(300));

    public X509Certificate2 Expired(params string[] names) => Issue(names, Now.AddDays(-20), Now.AddDays(-1));

    public X509Certificate2 Issue(string[] names, DateTimeOffset from, DateTimeOffset until, Action<CertificateRequest>? further = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={names[0].Replace(',', ' ')}", key, HashAlgorithmName.SHA256);
        var builder = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
                builder.AddIpAddress(address);
            else if (name.Contains("://", StringComparison.Ordinal))
                builder.AddUri(new Uri(name));
            else
                builder.AddDnsName(name);
        }
        request.CertificateExtensions.Add(builder.Build());
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Authority, true, false));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        further?.Invoke(request);
        using var issued = request.Create(Authority, from, until, RandomNumberGenerator.GetBytes(8));
        using var paired = issued.CopyWithPrivateKey(key);
        // SslStream wants a key that is not ephemeral on some platforms.
        return X509CertificateLoader.LoadPkcs12(paired.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    /// <summary>Puts a certificate and its key into two files, each at once in the place of what was there; the listener's or service's keys that name them.</summary>
    public string Files(X509Certificate2 certificate, string name)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        var keyFile = Write(name + ".key", key.ExportPkcs8PrivateKeyPem());
        return $"certificate: \"file:{Write(name + ".pem", certificate.ExportCertificatePem())}\", key: \"file:{keyFile}\"";
    }

    public string PathOf(string name) => Path.Combine(_folder.FullName, name);

    public string Write(string name, string content)
    {
        var path = PathOf(name);
        File.WriteAllText(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
        return path;
    }

    public void Dispose()
    {
        Authority.Dispose();
        _folder.Delete(recursive: true);
    }
}
