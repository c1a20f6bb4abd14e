using Malha.Configuration;
using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy;

namespace Malha.IntegrationTests.Tls;

/// <summary>Certificates that change while the gateway runs: nobody loses a connection, and a bad one changes nothing.</summary>
public sealed class CertificateReloadTests : IDisposable
{
    private const int Swaps = 100;

    private readonly TestPki _pki = new();

    public void Dispose() => _pki.Dispose();

    [Fact]
    public async Task Certificate_is_swapped_a_hundred_times_under_load_and_no_request_fails()
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(request.Target));
        var yaml = Listener(origin, "name-0");
        await using var gateway = TestGateway.Start(yaml);
        using var end = new CancellationTokenSource();
        var answered = 0;
        // Half of the clients keep their connection, the others make a new one for every second request.
        var load = Task.WhenAll(Enumerable.Range(0, 6).Select(client => Task.Run(async () =>
        {
            var connection = await gateway.SecureAsync();
            for (var count = 1; !end.IsCancellationRequested; count++)
            {
                var answer = await connection.AskAsync($"GET /{client}-{count} HTTP/1.1\r\nHost: a\r\n\r\n");
                Assert.Equal($"/{client}-{count}", WireText.Text(answer.Body));
                Interlocked.Increment(ref answered);
                if (client % 2 == 0 || count % 2 == 1)
                    continue;
                await connection.DisposeAsync();
                connection = await gateway.SecureAsync();
            }
            await connection.DisposeAsync();
        })));

        for (var swap = 1; swap <= Swaps && !load.IsCompleted; swap++)
        {
            Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(Listener(origin, $"name-{swap}"))));
            await using var client = await gateway.SecureAsync();
            Assert.Equal($"name-{swap}", client.ShownName);
            var seen = Volatile.Read(ref answered);
            await Eventually.HoldsAsync(() => Volatile.Read(ref answered) >= seen + 6 || load.IsCompleted, "the load goes on");
        }
        await end.CancelAsync();
        await load;
        Assert.True(answered >= 6 * Swaps, $"{answered}");
    }

    [Fact]
    public async Task Files_that_change_are_noticed_and_a_bad_certificate_keeps_the_last_good_one_and_is_told()
    {
        using var first = _pki.Issue("first.example");
        var files = _pki.Files(first, "edge");
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        // The file lies elsewhere: what changes is only the certificate's own folder.
        await using var gateway = await RunningGateway.StartAsync($$"""
              secure: { address: 127.0.0.1:0, tls: { {{files}} } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """, admin: "");
        var listener = gateway.Host.Listeners.Single(listener => listener.Config.Name == "secure");
        Assert.Equal("first.example", await ShownAsync(listener.Address.Port));

        using var second = _pki.Issue("second.example");
        _pki.Files(second, "edge");
        await Eventually.HoldsAsync(() => listener.Tls!.Certificates[0].Name == "second.example", "the new certificate is noticed");
        Assert.Equal("second.example", await ShownAsync(listener.Address.Port));

        _pki.Write("edge.pem", "-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n");
        await Eventually.HoldsAsync(() => gateway.Host.LastReload is { IsGood: false }, "the bad one is noticed");
        var problem = Assert.Single(gateway.Host.LastReload!.Problems);
        Assert.Matches(@"malha\.yaml:\d+:\d+: listeners\.secure\.tls\.certificate: the file .* holds ", problem);
        Assert.Equal("second.example", await ShownAsync(listener.Address.Port));
        Assert.True(gateway.Host.Telemetry.Reloads.Refused >= 1);
        await Eventually.HoldsAsync(() => gateway.LogText().Any(line => line.Contains("reload-refused", StringComparison.Ordinal)), "it is in the log");

        using var third = _pki.Issue("third.example");
        _pki.Files(third, "edge");
        await Eventually.HoldsAsync(() => gateway.Host.LastReload is { IsGood: true } && listener.Tls!.Certificates[0].Name == "third.example", "the next good one is taken");
        Assert.Equal("third.example", await ShownAsync(listener.Address.Port));
    }

    [Fact]
    public async Task Folder_that_a_link_leads_to_is_watched_too()
    {
        using var first = _pki.Issue("first.example");
        _pki.Files(first, "real");
        var links = Directory.CreateTempSubdirectory("malha-links-");
        try
        {
            foreach (var kind in new[] { "pem", "key" })
                File.CreateSymbolicLink(Path.Combine(links.FullName, $"edge.{kind}"), _pki.PathOf($"real.{kind}"));
            await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
            await using var gateway = await RunningGateway.StartAsync($$"""
                  secure: { address: 127.0.0.1:0, tls: { certificate: "file:{{links.FullName}}/edge.pem", key: "file:{{links.FullName}}/edge.key" } }
                services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
                routes: [ { service: origin } ]
                """, admin: "");
            var listener = gateway.Host.Listeners.Single(listener => listener.Config.Name == "secure");
            using var second = _pki.Issue("second.example");
            _pki.Files(second, "real");
            await Eventually.HoldsAsync(() => listener.Tls!.Certificates[0].Name == "second.example", "the new certificate is noticed");
        }
        finally
        {
            links.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Tls_is_turned_on_and_off_without_losing_a_connection()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        using var certificate = _pki.Issue("localhost");
        var port = FreePort();
        MalhaConfig Config(string tls) => TestGateway.Read($$"""
            listeners: { edge: { address: "127.0.0.1:{{port}}"{{tls}} } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """);
        var secure = $", tls: {{ {_pki.Files(certificate, "localhost")} }}";
        using var host = GatewayHost.Start(Config(""), TimeProvider.System, out _)!;
        await using var plain = await Peer.ConnectAsync(port);
        await plain.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal(200, (await plain.ReadAnswerAsync()).Status);

        Assert.Null(await host.ReloadAsync(Config(secure)));
        await using var client = await TlsClient.ConnectAsync(port);
        Assert.Equal(200, (await client.AskAsync()).Status);
        Assert.Null(await host.ReloadAsync(Config("")));
        Assert.Equal(200, (await client.AskAsync()).Status);
        await plain.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal(200, (await plain.ReadAnswerAsync()).Status);
        await host.DrainAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Expiry_is_told_when_the_certificate_comes_into_force_and_when_its_time_has_come()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(TestPki.Now);
        using var certificate = _pki.Issue(["localhost"], TestPki.Now.AddDays(-1), TestPki.Now.AddDays(20));
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url, listener: $"tls: {{ {_pki.Files(certificate, "localhost")} }}"), time);
        string[] Told()
        {
            var events = gateway.Host.Telemetry.Events.Follow(static _ => { });
            return [.. events.Select(one => one.Name).Where(name => name.StartsWith("certificate", StringComparison.Ordinal))];
        }
        Assert.Equal(["certificate"], Told());
        time.Advance(TimeSpan.FromDays(7));
        Assert.Equal(["certificate", "certificate-expires-soon"], Told());
        time.Advance(TimeSpan.FromDays(14));
        Assert.Equal(["certificate", "certificate-expires-soon", "certificate-expired"], Told());
        // It is the client's to judge.
        await using var client = await gateway.SecureAsync();
        Assert.Equal(200, (await client.AskAsync()).Status);
    }

    private static async Task<string> ShownAsync(int port)
    {
        await using var client = await TlsClient.ConnectAsync(port);
        Assert.Equal(200, (await client.AskAsync()).Status);
        return client.ShownName;
    }

    private string Listener(ScriptedOrigin origin, string name)
    {
        using var certificate = _pki.Issue(name);
        return TestGateway.File(origin.Url, listener: $"tls: {{ {_pki.Files(certificate, "edge")} }}");
    }

    private static int FreePort()
    {
        using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        return ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
    }
}
