using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Malha.Configuration;

namespace Malha.Proxy.Tls;

/// <summary>What is not an error of a configuration but will be somebody's trouble: certificates whose time is over, or has not come.</summary>
internal static class CertificateNotices
{
    /// <summary>A line for each, with the place in the file.</summary>
    public static IEnumerable<string> Of(MalhaConfig config, DateTimeOffset now)
    {
        foreach (var listener in config.Listeners.Values)
        {
            if (listener.Tls is not { } tls)
                continue;
            foreach (var one in tls.Certificates)
            {
                var source = tls.Source.Says("certificates") ? one.Source : tls.Source;
                if (one.Certificate is { } file && WhatOf(file, now) is { } notice)
                    yield return $"{source.Of("certificate")}: {source.Of("certificate").Path}: {notice}";
            }
        }
        foreach (var service in config.Services.Values)
        {
            if (service.Tls is { Certificate: { } file } tls && WhatOf(file, now) is { } notice)
                yield return $"{tls.Source.Of("certificate")}: {tls.Source.Of("certificate").Path}: {notice}";
        }
    }

    private static string? WhatOf(ConfigFile file, DateTimeOffset now)
    {
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(file.Path));
            var (from, until) = ((DateTimeOffset)certificate.NotBefore, (DateTimeOffset)certificate.NotAfter);
            return until <= now ? $"the certificate ({certificate.Subject}) expired on {Day(until)}"
                : from > now ? $"the certificate ({certificate.Subject}) is not valid before {Day(from)}"
                : until - CertificateWatch.Soon <= now ? $"the certificate ({certificate.Subject}) expires on {Day(until)}" : null;
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException)
        {
            // It was readable a moment ago; whoever reads it next says what is wrong.
            return null;
        }
    }

    private static string Day(DateTimeOffset time) => time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
