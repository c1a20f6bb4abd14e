using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Tls;

/// <summary>testssl.sh looks at a listener as it does at a server on the internet.</summary>
public sealed class TestsslTests : IDisposable
{
    private const string Program = "/usr/bin/testssl";

    private static readonly bool All = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1";

    private readonly TestPki _pki = new();

    public void Dispose() => _pki.Dispose();

    [Fact]
    public async Task Listener_as_it_comes_has_nothing_at_medium_or_above()
    {
        Assert.SkipUnless(All, "takes minutes; MALHA_TEST_ALL=1 runs it");
        Assert.SkipUnless(File.Exists(Program), "testssl.sh is not installed (apt-get install testssl.sh)");
        using var certificate = _pki.Issue(["localhost"], TestPki.Now.AddDays(-5), TestPki.Now.AddDays(300), LikeAnybodys);
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0", tls: { {{_pki.Files(certificate, "localhost")}} } } }
            routes:
              # What a service behind it would say of itself; the listener adds nothing to answers.
              - respond: { body: hello, headers: { Strict-Transport-Security: max-age=31536000, X-Content-Type-Options: nosniff, Content-Security-Policy: "default-src 'self'" } }
            """);
        var report = _pki.PathOf("report.json");
        var (_, output, errors) = await OtherProgram.RunAsync(
            Program,
            ["--jsonfile", report, "--warnings", "off", "--color", "0", "--quiet", "--add-ca", _pki.Ca, "--ip", "127.0.0.1", string.Create(CultureInfo.InvariantCulture, $"localhost:{gateway.Port}")],
            patience: TimeSpan.FromMinutes(15));
        Assert.True(File.Exists(report), output + errors);
        var findings = JsonDocument.Parse(await File.ReadAllTextAsync(report, TestContext.Current.CancellationToken)).RootElement.EnumerateArray()
            .Select(one => (Id: one.GetProperty("id").GetString()!, Severity: one.GetProperty("severity").GetString()!, Finding: one.GetProperty("finding").GetString()!)).ToArray();
        // Proof that it looked: the versions that are spoken and a weakness that is not there.
        Assert.Contains(findings, one => one is { Id: "TLS1_3", Severity: "OK" });
        Assert.Contains(findings, one => one is { Id: "heartbleed", Severity: "OK" });
        var bad = findings.Where(one => one.Severity is "MEDIUM" or "HIGH" or "CRITICAL" or "FATAL");
        Assert.True(!bad.Any(), string.Join('\n', bad) + "\n" + output);
    }

    // What a certificate of a public authority has: where to ask whether it was revoked, and what it is for.
    private static void LikeAnybodys(CertificateRequest request)
    {
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(["http://127.0.0.1:1/ocsp"], null));
        request.CertificateExtensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension(["http://127.0.0.1:1/crl"]));
    }
}
