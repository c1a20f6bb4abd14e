using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>TLS towards endpoints: whom it trusts, what it shows, and a clear word when it does not trust.</summary>
public sealed class UpstreamTlsTests : IDisposable
{
    private readonly TestPki _pki = new();

    private string Trusted => $"tls: {{ ca: \"file:{_pki.Ca}\" }}";

    public void Dispose() => _pki.Dispose();

    [Fact]
    public async Task Endpoint_of_the_services_own_authority_is_spoken_to_on_kept_connections()
    {
        using var certificate = _pki.Issue("127.0.0.1");
        await using var origin = Origin(certificate);
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, Trusted));
        await using var client = await gateway.ConnectAsync();
        foreach (var size in new[] { 0, 1, 3_000, 20_000, 300_000, 2_000_000 })
        {
            await client.SendAsync($"POST /{size} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
            await client.SendAsync(BodyPattern.Bytes(9, size));
            Assert.Equal(BodyPattern.HashOf(BodyPattern.Bytes(9, size)), WireText.Text((await client.ReadAnswerAsync()).Body));
            Assert.True(origin.Connections == 1, $"a new connection for the body of {size} bytes");
        }
    }

    [Fact]
    public async Task Name_in_the_certificate_is_the_endpoints_or_the_one_that_the_file_says()
    {
        using var certificate = _pki.Issue("inner.example");
        await using var origin = Origin(certificate);
        await Untrusted(TestGateway.File(origin.Url, Trusted), "its certificate is for inner.example, not for 127.0.0.1");
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, $"tls: {{ ca: \"file:{_pki.Ca}\", serverName: inner.example }}"));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
    }

    [Fact]
    public async Task Certificate_of_a_stranger_an_expired_one_and_a_plain_server_are_refused_with_the_cause()
    {
        using var stranger = new TestPki("somebody else");
        using var forged = stranger.Issue("127.0.0.1");
        await using var wrong = Origin(forged);
        await Untrusted(TestGateway.File(wrong.Url, Trusted), "was issued by CN=somebody else, which does not lead to an authority of the service's tls.ca");
        await Untrusted(TestGateway.File(wrong.Url), "was issued by CN=somebody else, which does not lead to an authority that this system trusts");

        using var old = _pki.Expired("127.0.0.1");
        await using var expired = Origin(old);
        await Untrusted(TestGateway.File(expired.Url, Trusted), "its certificate (CN=127.0.0.1) is valid from ");

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
        using var certificate = _pki.Issue("127.0.0.1");
        using var own = _pki.Issue("gateway.example");
        var subjects = new List<string?>();
        await using var origin = Origin(certificate, (_, shown, _, _) =>
        {
            lock (subjects)
                subjects.Add(shown?.Subject);
            return shown is not null;
        });
        var files = _pki.Files(own, "own");
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, $"tls: {{ ca: \"file:{_pki.Ca}\", {files} }}"));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal("CN=gateway.example", subjects.Single());
        await using var without = TestGateway.Start(TestGateway.File(origin.Url, Trusted));
        Assert.Equal(502, (await without.GetAsync()).Status);
    }

    [Fact]
    public async Task Key_that_is_gone_or_another_by_the_time_it_is_used_refuses_start_and_reload()
    {
        using var one = _pki.Issue("one.example");
        using var two = _pki.Issue("two.example");
        using var other = two.GetECDsaPrivateKey()!;
        var files = _pki.Files(one, "one");
        var config = TestGateway.Read(TestGateway.File("https://127.0.0.1:1", $"tls: {{ {files} }}"));
        _pki.Write("one.key", other.ExportPkcs8PrivateKeyPem());
        Assert.Null(Malha.Proxy.GatewayHost.Start(config, TimeProvider.System, out var problem));
        Assert.NotEmpty(problem!);
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        Assert.NotNull(await gateway.Host.ReloadAsync(config));
        File.Delete(_pki.PathOf("one.key"));
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Answer_that_only_the_connections_end_ends_is_whole_when_tls_says_so_and_never_when_the_wire_was_cut(bool isAnnounced)
    {
        using var certificate = _pki.Issue("127.0.0.1");
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync("HTTP/1.1 200 OK\r\n\r\nall of it");
            if (isAnnounced)
                await peer.FinishSecuredAsync();
            else
                peer.FinishSending();
            await peer.DrainAsync();
        }, new SslServerAuthenticationOptions { ServerCertificate = certificate });
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, Trusted));
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        var end = await client.ReadToEndAsync();
        var text = WireText.Text(client.Unread.ToArray());
        Assert.Contains("all of it", text, StringComparison.Ordinal);
        Assert.Equal(isAnnounced, text.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal(isAnnounced ? ClientEnd.Closed : ClientEnd.Reset, end);
    }

    [Fact]
    public async Task Second_connection_to_an_endpoint_with_a_name_resumes_the_session()
    {
        using var certificate = _pki.Issue("inner.example");
        _pki.Files(certificate, "nginx");
        await using var server = await RealServer.StartSecureNginxAsync(_pki.PathOf("nginx.pem"), _pki.PathOf("nginx.key"));
        Assert.SkipWhen(server is null, "nginx is not installed (apt-get install nginx-light)");
        await using var gateway = TestGateway.Start(TestGateway.File(server!.Url, $"tls: {{ ca: \"file:{_pki.Ca}\", serverName: inner.example }}"));
        var answers = new List<string>();
        for (var count = 0; count < 4; count++)
            answers.Add(WireText.Text((await gateway.GetAsync()).Body));
        Assert.Equal(["TLSv1.3 .", "TLSv1.3 r", "TLSv1.3 r", "TLSv1.3 r"], answers);
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
}
