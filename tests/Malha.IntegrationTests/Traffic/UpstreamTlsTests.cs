using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>TLS towards endpoints: whom it trusts, what it shows, and a clear word when it does not trust.</summary>
public sealed class UpstreamTlsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("malha-tls-");
    private readonly X509Certificate2 _authority = Authority("malha tests");
    private readonly string _ca;

    public UpstreamTlsTests() => _ca = Write("ca.pem", _authority.ExportCertificatePem());

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Endpoint_of_the_services_own_authority_is_spoken_to_on_kept_connections()
    {
        using var certificate = Issue(_authority, "127.0.0.1");
        await using var origin = Origin(certificate);
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, $"tls: {{ ca: \"file:{_ca}\" }}"));
        await using var client = await gateway.ConnectAsync();
        foreach (var size in new[] { 0, 1, 3_000, 20_000, 300_000, 2_000_000 })
        {
            await client.SendAsync($"POST /{size} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
            await client.SendAsync(BodyPattern.Bytes(9, size));
            Assert.Equal(BodyPattern.HashOf(BodyPattern.Bytes(9, size)), WireText.Text((await client.ReadAnswerAsync()).Body));
        }
        Assert.Equal(1, origin.Connections);
    }

    [Fact]
    public async Task Name_in_the_certificate_is_the_endpoints_or_the_one_that_the_file_says()
    {
        using var certificate = Issue(_authority, "inner.example");
        await using var origin = Origin(certificate);
        await Untrusted(TestGateway.File(origin.Url, $"tls: {{ ca: \"file:{_ca}\" }}"), "RemoteCertificateNameMismatch");
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, $"tls: {{ ca: \"file:{_ca}\", serverName: inner.example }}"));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
    }

    [Fact]
    public async Task Certificate_of_a_stranger_an_expired_one_and_a_plain_server_are_refused_with_the_cause()
    {
        using var stranger = Authority("somebody else");
        using var forged = Issue(stranger, "127.0.0.1");
        await using var wrong = Origin(forged);
        await Untrusted(TestGateway.File(wrong.Url, $"tls: {{ ca: \"file:{_ca}\" }}"), "");
        await Untrusted(TestGateway.File(wrong.Url), "");

        using var old = Issue(_authority, "127.0.0.1", expired: true);
        await using var expired = Origin(old);
        await Untrusted(TestGateway.File(expired.Url, $"tls: {{ ca: \"file:{_ca}\" }}"), "NotTimeValid");

        await using var plain = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReceiveAsync("a hello");
            await peer.SendAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        });
        await Untrusted(TestGateway.File(plain.Url.Replace("http:", "https:", StringComparison.Ordinal)), "");

        await using var unchecked_ = TestGateway.Start(TestGateway.File(wrong.Url, "tls: { verify: false }"));
        Assert.Equal(200, (await unchecked_.GetAsync()).Status);
    }

    [Fact]
    public async Task Client_certificate_is_shown_to_a_server_that_asks()
    {
        using var certificate = Issue(_authority, "127.0.0.1");
        using var own = Issue(_authority, "gateway.example");
        var subjects = new List<string?>();
        await using var origin = Origin(certificate, (_, shown, _, _) =>
        {
            lock (subjects)
                subjects.Add(shown?.Subject);
            return shown is not null;
        });
        using var key = own.GetECDsaPrivateKey()!;
        var files = $"certificate: \"file:{Write("own.pem", own.ExportCertificatePem())}\", key: \"file:{Write("own.key", key.ExportPkcs8PrivateKeyPem())}\"";
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, $"tls: {{ ca: \"file:{_ca}\", {files} }}"));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal("CN=gateway.example", subjects.Single());
        await using var without = TestGateway.Start(TestGateway.File(origin.Url, $"tls: {{ ca: \"file:{_ca}\" }}"));
        Assert.Equal(502, (await without.GetAsync()).Status);
    }

    [Fact]
    public async Task Key_that_is_gone_or_another_by_the_time_it_is_used_refuses_start_and_reload()
    {
        using var one = Issue(_authority, "one.example");
        using var two = Issue(_authority, "two.example");
        using var key = one.GetECDsaPrivateKey()!;
        using var other = two.GetECDsaPrivateKey()!;
        var keyFile = Write("one.key", key.ExportPkcs8PrivateKeyPem());
        var files = $"certificate: \"file:{Write("one.pem", one.ExportCertificatePem())}\", key: \"file:{keyFile}\"";
        var config = TestGateway.Read(TestGateway.File("https://127.0.0.1:1", $"tls: {{ {files} }}"));
        Write("one.key", other.ExportPkcs8PrivateKeyPem());
        Assert.Null(Malha.Proxy.GatewayHost.Start(config, TimeProvider.System, out var problem));
        Assert.NotEmpty(problem!);
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        Assert.NotNull(await gateway.Host.ReloadAsync(config));
        File.Delete(keyFile);
        Assert.NotNull(await gateway.Host.ReloadAsync(config));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
    }

    [Fact]
    public async Task Handshake_that_hangs_ends_with_the_connect_timeout_and_with_the_client()
    {
        await using var origin = ScriptedOrigin.Start(peer => peer.DrainAsync());
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url.Replace("http:", "https:", StringComparison.Ordinal), "connectTimeout: 3s"), time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => origin.Connections == 1, "the handshake begins");
        var answering = client.ReadAnswerAsync();
        await time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(100));
        Problem.Has(await answering, 504, "connect-timeout", "services.origin.connectTimeout", 3_000, "ms");

        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => origin.Connections == 2, "the second handshake begins");
        client.Reset();
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].Open == 0, "the client's end ends it");
    }

    private static async Task Untrusted(string file, string cause)
    {
        await using var gateway = TestGateway.Start(file);
        var answer = await gateway.GetAsync();
        var problem = Problem.Has(answer, 502, "untrusted-endpoint", "services.origin.tls", proxyError: "tls_certificate_error");
        var detail = problem.GetProperty("detail").GetString()!;
        Assert.NotEmpty(detail);
        Assert.Contains(cause, detail, StringComparison.Ordinal);
        Assert.Equal(0, gateway.Service().Endpoints[0].Open);
    }

    // Answers each request with the hash of its body.
    private static ScriptedOrigin Origin(X509Certificate2 certificate, RemoteCertificateValidationCallback? asksClient = null) => ScriptedOrigin.Answering(
        request => ScriptedOrigin.Answer(BodyPattern.HashOf(request.Body)),
        new SslServerAuthenticationOptions
        {
            ServerCertificate = certificate,
            ClientCertificateRequired = asksClient is not null,
            RemoteCertificateValidationCallback = asksClient,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        });

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddYears(-2), now.AddDays(10));
    }

    private static X509Certificate2 Issue(X509Certificate2 authority, string name, bool expired = false)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (System.Net.IPAddress.TryParse(name, out var address))
            names.AddIpAddress(address);
        else
            names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var issued = request.Create(authority, now.AddYears(-1), now.AddDays(expired ? -1 : 5), RandomNumberGenerator.GetBytes(8));
        using var paired = issued.CopyWithPrivateKey(key);
        // SslStream wants a key that is not ephemeral on some platforms.
        return X509CertificateLoader.LoadPkcs12(paired.Export(X509ContentType.Pkcs12), null);
    }

    private string Write(string name, string content)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, content);
        return path;
    }
}
