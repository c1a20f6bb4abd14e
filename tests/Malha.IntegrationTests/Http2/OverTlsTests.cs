using System.Net;
using System.Security.Cryptography.X509Certificates;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2;

/// <summary>HTTP/2 over TLS, in front by ALPN and to endpoints.</summary>
public sealed class OverTlsTests : IDisposable
{
    private readonly TestPki _pki = new();

    public void Dispose() => _pki.Dispose();

    [Fact]
    public async Task Both_versions_are_spoken_on_a_listener_with_TLS_and_to_endpoints_with_TLS()
    {
        using var certificate = _pki.Issue("localhost", "127.0.0.1");
        await using var origin = await TwoProtocolOrigin.StartAsync(certificate: certificate);
        var tls = $"tls: {{ {_pki.Files(certificate, "edge")} }}";
        string[] services = ["protocol: http1", "protocol: http2", $"protocol: http2, tls: {{ ca: \"file:{_pki.Ca}\" }}"];
        for (var kind = 0; kind < services.Length; kind++)
        {
            await using var gateway = TestGateway.Start(TestGateway.File(origin.Url(kind + 1), services[kind], listener: tls));
            using var client = Client();
            foreach (var version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
            {
                foreach (var size in new[] { 0, 10, 100_000 })
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, $"https://localhost:{gateway.Port}/length")
                    {
                        Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(BodyPattern.Bytes(1, size)),
                    };
                    using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
                    Assert.Equal("hello", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
                    Assert.Equal(version, answer.Version);
                    Assert.Equal(kind == 0 ? "HTTP/1.1" : "HTTP/2", answer.Headers.GetValues("X-Protocol").Single());
                    Assert.Equal($"{(kind == 2 ? "https" : "http")} localhost:{gateway.Port}", answer.Headers.GetValues("X-Scheme").Single());
                }
            }
            Assert.Equal(2, gateway.Host.Listeners.First().Accepted);
        }
    }

    [Fact]
    public async Task Endpoint_that_is_not_trusted_is_told_as_in_HTTP_1()
    {
        using var stranger = new TestPki("somebody else");
        using var forged = stranger.Issue("127.0.0.1");
        await using var origin = await TwoProtocolOrigin.StartAsync(certificate: forged);
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url(3), $"protocol: http2, tls: {{ ca: \"file:{_pki.Ca}\" }}"));
        var answer = await gateway.GetAsync();
        Assert.Equal(502, answer.Status);
        var problem = Harness.WireText.Text(answer.Body);
        Assert.Contains("urn:malha:problem:untrusted-endpoint", problem, StringComparison.Ordinal);
        Assert.Contains("was issued by CN=somebody else", problem, StringComparison.Ordinal);
    }

    private HttpClient Client() => new(new SocketsHttpHandler
    {
        UseProxy = false,
        SslOptions = { CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { _pki.Authority } } },
    });
}
