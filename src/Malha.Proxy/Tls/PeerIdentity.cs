using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Malha.Proxy.Tls;

/// <summary>Whom a verified certificate names.</summary>
/// <param name="Name">What it is called in logs: its first URI (a SPIFFE identity), else its first host, else its subject.</param>
/// <param name="Uris">Its URIs.</param>
/// <param name="Hosts">Its DNS names.</param>
/// <param name="Subject">Its distinguished name.</param>
/// <param name="Sha256">The digest of the certificate, in hexadecimal.</param>
/// <param name="NotAfter">When it expires.</param>
internal sealed record PeerIdentity(string Name, string[] Uris, string[] Hosts, string Subject, string Sha256, DateTimeOffset NotAfter)
{
    private const string SubjectAlternativeNames = "2.5.29.17";

    public static PeerIdentity Of(X509Certificate2 certificate)
    {
        var uris = UrisOf(certificate);
        var hosts = HostsOf(certificate);
        var name = uris.FirstOrDefault() ?? hosts.FirstOrDefault() ?? certificate.Subject;
        return new PeerIdentity(name, uris, hosts, certificate.Subject, certificate.GetCertHashString(HashAlgorithmName.SHA256), certificate.NotAfter.ToUniversalTime());
    }

    public static string[] HostsOf(X509Certificate2 certificate) =>
        [.. certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(names => names.EnumerateDnsNames())];

    private static string[] UrisOf(X509Certificate2 certificate)
    {
        var uris = new List<string>();
        // RFC 5280, 4.2.1.6: uniformResourceIdentifier. Not a field: whoever only carries an identity, as every request does, must not have to open
        // another assembly for it, which at the limit of descriptors ends the process.
        var uri = new Asn1Tag(TagClass.ContextSpecific, 6);
        foreach (var extension in certificate.Extensions.Where(extension => extension.Oid?.Value == SubjectAlternativeNames))
        {
            try
            {
                var names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
                while (names.HasData)
                {
                    if (names.PeekTag().HasSameClassAndValue(uri))
                        uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, uri));
                    else
                        names.ReadEncodedValue();
                }
            }
            catch (AsnContentException)
            {
                // What cannot be read names nobody.
                return [];
            }
        }
        return [.. uris];
    }
}
