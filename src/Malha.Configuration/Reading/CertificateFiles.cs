using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Malha.Configuration.Reading.Shapes;

namespace Malha.Configuration.Reading;

/// <summary>Files with certificates and keys: what they must hold, and whether two of them belong together.</summary>
internal static class CertificateFiles
{
    public static Shape<ConfigFile> Authorities { get; } = new FileShape("PEM certificates", CheckCertificates);

    public static Shape<ConfigFile> Certificate { get; } = new FileShape("a PEM certificate with its chain", CheckCertificates);

    public static Shape<ConfigFile> Key { get; } = new FileShape("a PEM private key", CheckKey);

    /// <summary>Why a key is not that of a certificate; null when it is.</summary>
    public static string? WhyNoPair(ConfigFile certificate, ConfigFile key)
    {
        try
        {
            X509Certificate2.CreateFromPemFile(certificate.Path, key.Path).Dispose();
            return null;
        }
        catch (CryptographicException)
        {
            return "the file holds no key that can be read, or not the key of certificate";
        }
        catch (ArgumentException)
        {
            return "the key is not the key of certificate";
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return $"certificate or key changed while they were read: {FileFault.Say(fault)}";
        }
    }

    /// <summary>Whether a certificate names a host, so that a client can ask for it.</summary>
    public static bool NamesAHost(ConfigFile certificate)
    {
        try
        {
            using var read = X509Certificate2.CreateFromPem(File.ReadAllText(certificate.Path));
            return read.Extensions.OfType<X509SubjectAlternativeNameExtension>().Any(names => names.EnumerateDnsNames().Any());
        }
        catch (Exception fault) when (fault is CryptographicException or IOException or UnauthorizedAccessException)
        {
            // Told already, by whoever reads it for its key.
            return true;
        }
    }

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
        if (text.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal) || text.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
            return "holds an encrypted key, and there is nobody to type the password; store it unencrypted, readable for Malha only";
        return text.Contains("PRIVATE KEY-----", StringComparison.Ordinal) ? null : "holds no PEM private key";
    }
}
