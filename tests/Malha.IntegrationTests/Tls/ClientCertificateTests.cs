using System.Security.Cryptography.X509Certificates;
using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Tls;

namespace Malha.IntegrationTests.Tls;

/// <summary>Listeners that ask their clients for certificates: who comes in, who does not and why, and what is known of those who did.</summary>
public sealed class ClientCertificateTests : IDisposable
{
    private readonly TestPki _pki = new();
    private readonly TestPki _clients = new("the clients' authority");

    public void Dispose()
    {
        _pki.Dispose();
        _clients.Dispose();
    }

    [Fact]
    public async Task Client_with_a_certificate_of_the_authority_comes_in_and_is_known()
    {
        using var own = _clients.Issue("orders.example", "spiffe://shop/service/orders");
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        await using var client = await TlsClient.ConnectAsync(gateway.Port, own: own);
        for (var count = 0; count < 2; count++)
            Assert.Equal(200, (await client.AskAsync()).Status);
        await using var again = await TlsClient.ConnectAsync(gateway.Port, own: own);
        Assert.Equal(200, (await again.AskAsync()).Status);
    }

    [Fact]
    public async Task Client_without_a_certificate_with_a_strangers_and_with_an_expired_one_stay_outside()
    {
        using var stranger = new TestPki("somebody else");
        using var forged = stranger.Issue("orders.example");
        using var expired = _clients.Expired("orders.example");
        using var serverOnly = _clients.Issue(["orders.example"], TestPki.Now.AddDays(-1), TestPki.Now.AddDays(1), request => request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([new System.Security.Cryptography.Oid("1.3.6.1.5.5.7.3.1")], false)));
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        await RefusedAsync(gateway, null, HandshakeFailure.NoClientCertificate, "it shows no certificate");
        await RefusedAsync(gateway, forged, HandshakeFailure.ClientCertificate, "was issued by CN=somebody else, which does not lead to an authority of clientCa");
        await RefusedAsync(gateway, expired, HandshakeFailure.ClientCertificate, "its certificate (CN=orders.example) is valid from ");
        await RefusedAsync(gateway, serverOnly, HandshakeFailure.ClientCertificate, "its certificate (CN=orders.example) is not meant for this use");
        Assert.Equal(0, origin.Connections);
    }

    [Fact]
    public async Task Curl_comes_in_with_its_certificate_and_not_without()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/curl"), "curl is not installed");
        using var own = _clients.Issue("orders.example");
        _clients.Files(own, "own");
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Gateway(origin);
        string[] arguments = ["-sS", "--cacert", _pki.Ca, $"https://localhost:{gateway.Port}/"];
        foreach (var version in new[] { "--tlsv1.3", "--tlsv1.2" })
        {
            string[] limit = version == "--tlsv1.2" ? ["--tls-max", "1.2"] : [version];
            var (code, output, errors) = await OtherProgram.RunAsync("/usr/bin/curl", [.. limit, "--cert", _clients.PathOf("own.pem"), "--key", _clients.PathOf("own.key"), .. arguments]);
            Assert.True(code == 0, errors);
            Assert.Equal("hello", output);
            Assert.NotEqual(0, (await OtherProgram.RunAsync("/usr/bin/curl", [.. limit, .. arguments])).Code);
        }
    }

    [Fact]
    public async Task Certificate_that_an_authority_in_between_issued_is_taken_with_its_chain_and_again()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/curl"), "curl is not installed");
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        using var between = _clients.Issue(["between"], TestPki.Now.AddDays(-5), TestPki.Now.AddDays(100), request =>
        {
            request.CertificateExtensions.Remove(request.CertificateExtensions.OfType<X509KeyUsageExtension>().Single());
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
            request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        });
        var request = new CertificateRequest("CN=orders", key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        using var own = request.Create(between, TestPki.Now.AddDays(-1), TestPki.Now.AddDays(1), [1, 2, 3, 4]);
        _clients.Write("chain.pem", own.ExportCertificatePem() + "\n" + between.ExportCertificatePem() + "\n");
        _clients.Write("chain.key", key.ExportPkcs8PrivateKeyPem());
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Gateway(origin);
        // Two transfers, each with a connection of its own: curl tries to resume for the second one.
        var url = $"https://localhost:{gateway.Port}/";
        var (code, output, errors) = await OtherProgram.RunAsync(
            "/usr/bin/curl", ["-sS", "--cacert", _pki.Ca, "--cert", _clients.PathOf("chain.pem"), "--key", _clients.PathOf("chain.key"), "-H", "Connection: close", url, url]);
        Assert.True(code == 0, errors);
        Assert.Equal("hellohello", output);
    }

    [Fact]
    public async Task Session_of_a_listener_that_asks_nobody_is_no_way_into_one_that_does()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/openssl"), "openssl is not installed");
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        using var certificate = _pki.Issue("localhost");
        var files = _pki.Files(certificate, "localhost");
        await using var open = TestGateway.Before(origin, listener: $"tls: {{ {files} }}");
        await using var closed = TestGateway.Before(origin, listener: $"tls: {{ {files}, clientCa: \"file:{_clients.Ca}\" }}");
        var ticket = _pki.PathOf("ticket");
        const string Request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        string[] arguments = ["s_client", "-servername", "localhost", "-CAfile", _pki.Ca, "-ign_eof"];
        var (_, first, _) = await OtherProgram.RunAsync("/usr/bin/openssl", [.. arguments, "-connect", $"127.0.0.1:{open.Port}", "-sess_out", ticket], Request);
        Assert.Contains("hello", first, StringComparison.Ordinal);
        var (_, second, _) = await OtherProgram.RunAsync("/usr/bin/openssl", [.. arguments, "-connect", $"127.0.0.1:{closed.Port}", "-sess_in", ticket], Request);
        Assert.DoesNotContain("hello", second, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Identity_stands_in_the_access_log_and_the_admin_api_tells_of_the_listener()
    {
        using var own = _clients.Issue("orders.example", "spiffe://shop/service/orders");
        using var certificate = _pki.Issue("localhost");
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = await RunningGateway.StartAsync($$"""
              secure: { address: 127.0.0.1:0, tls: { {{_pki.Files(certificate, "localhost")}}, clientCa: "file:{{_clients.Ca}}" } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """, admin: "");
        var port = gateway.Host.Listeners.Single(listener => listener.Config.Name == "secure").Address.Port;
        await using (var client = await TlsClient.ConnectAsync(port, own: own))
            Assert.Equal(200, (await client.AskAsync()).Status);
        await Eventually.HoldsAsync(() => gateway.LogText().Any(line => line.Contains("\"clientIdentity\":\"spiffe://shop/service/orders\"", StringComparison.Ordinal)), "the line is written");
    }

    private static async Task RefusedAsync(TestGateway gateway, X509Certificate2? own, HandshakeFailure failure, string problem)
    {
        var handshakes = gateway.Host.Listeners.First().Handshakes;
        var before = handshakes.Failed(failure);
        try
        {
            // In TLS 1.3 the client is done before the server has seen its certificate.
            await using var client = await TlsClient.ConnectAsync(gateway.Port, own: own);
            await client.Peer.TrySendAsync(WireText.Bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
            Assert.NotEqual(ClientEnd.StillOpen, await client.Peer.ReadToEndAsync());
            Assert.Equal(0, client.Peer.Unread.Length);
        }
        catch (Exception exception) when (exception is IOException or System.Security.Authentication.AuthenticationException)
        {
            // Told so already.
        }
        await Eventually.HoldsAsync(() => handshakes.Failed(failure) == before + 1, $"{failure} is counted; last: {handshakes.LastFailure}");
        Assert.Contains(problem, handshakes.LastFailure!, StringComparison.Ordinal);
    }

    private TestGateway Gateway(ScriptedOrigin origin)
    {
        using var certificate = _pki.Issue("localhost");
        return TestGateway.Start(TestGateway.File(origin.Url, listener: $"tls: {{ {_pki.Files(certificate, "localhost")}, clientCa: \"file:{_clients.Ca}\" }}"));
    }
}
