using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Malha.Proxy.Tls;

/// <summary>What is wrong with a peer's certificate, in an operator's words.</summary>
internal static class CertificateProblem
{
    private const int MaxNames = 8;

    /// <param name="certificate">What the peer showed; null when it showed none.</param>
    /// <param name="chain">The chain that was built for it.</param>
    /// <param name="errors">What was found.</param>
    /// <param name="name">The name that it should have; null when any will do.</param>
    /// <param name="authorities">Who is trusted, in words.</param>
    public static string Describe(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, string? name, string authorities)
    {
        if (certificate is not X509Certificate2 shown || (errors & SslPolicyErrors.RemoteCertificateNotAvailable) != 0)
            return "it shows no certificate";
        var problems = new List<string>();
        if ((errors & SslPolicyErrors.RemoteCertificateChainErrors) != 0 && chain is not null)
        {
            foreach (var element in chain.ChainElements)
            {
                foreach (var status in element.ChainElementStatus)
                    Add(problems, Describe(status, element.Certificate, shown, authorities));
            }
            // Of a chain that leads nowhere, only the chain as a whole tells.
            foreach (var status in chain.ChainStatus)
                Add(problems, Describe(status, shown, shown, authorities));
        }
        if ((errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
            problems.Add($"its certificate is for {Names(shown)}, not for {name}");
        return problems.Count > 0 ? string.Join("; ", problems) : $"its certificate ({shown.Subject}) is not trusted: {errors}";
    }

    private static string Describe(X509ChainStatus status, X509Certificate2 of, X509Certificate2 shown, string authorities)
    {
        var which = of.Equals(shown) ? $"its certificate ({shown.Subject})" : $"the certificate of its issuer ({of.Subject})";
        return status.Status switch
        {
            X509ChainStatusFlags.NotTimeValid => string.Create(
                CultureInfo.InvariantCulture, $"{which} is valid from {of.NotBefore.ToUniversalTime():yyyy-MM-dd HH:mm:ss}Z to {of.NotAfter.ToUniversalTime():yyyy-MM-dd HH:mm:ss}Z"),
            X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain => $"its certificate ({shown.Subject}) was issued by {shown.Issuer}, which does not lead to {authorities}",
            X509ChainStatusFlags.NotSignatureValid => $"the signature of {which} is not right",
            X509ChainStatusFlags.NotValidForUsage => $"{which} is not meant for this use",
            X509ChainStatusFlags.Revoked => $"{which} has been revoked",
            _ => $"{which}: {status.StatusInformation.Trim()} ({status.Status})",
        };
    }

    private static void Add(List<string> problems, string problem)
    {
        if (!problems.Contains(problem))
            problems.Add(problem);
    }

    private static string Names(X509Certificate2 certificate)
    {
        var addresses = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(names => names.EnumerateIPAddresses()).Select(address => address.ToString());
        string[] names = [.. PeerIdentity.HostsOf(certificate).Concat(addresses)];
        return names.Length == 0 ? "no host" : string.Join(", ", names.Take(MaxNames)) + (names.Length > MaxNames ? ", …" : "");
    }
}
