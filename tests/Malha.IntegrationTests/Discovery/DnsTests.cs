using System.Net;
using System.Net.Security;
using Malha.Configuration;
using Malha.IntegrationTests.Discovery.Support;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Discovery;
using Malha.Proxy.Telemetry.Metrics;

namespace Malha.IntegrationTests.Discovery;

/// <summary>Endpoints that are found by DNS, and found again.</summary>
public sealed class DnsTests
{
    private const string Name = "pay.internal";

    private static readonly string[] Addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

    [Fact]
    public async Task Each_address_of_a_name_is_an_endpoint_and_aliases_are_followed()
    {
        await using var dns = new LoopbackDns();
        await using var sites = new Sites();
        dns.Alias(Name, "real.internal");
        dns.Say("real.internal", Addresses[..2]);
        await using var gateway = Start(dns, $"dns://{Name}:{sites.Port}", "balance: round-robin");
        Assert.Equal([$"http://{Addresses[0]}:{sites.Port}", $"http://{Addresses[1]}:{sites.Port}"], gateway.Service().Endpoints.Select(endpoint => endpoint.Name));
        Assert.Equal(Addresses[..2], (await AskAsync(gateway, 4)).Distinct().Order());
        Assert.Equal(Name, gateway.Service().Found[0].FoundUnder);
    }

    [Fact]
    public async Task When_the_addresses_change_no_request_is_lost_and_what_stays_is_kept()
    {
        await using var dns = new LoopbackDns();
        await using var sites = new Sites();
        dns.Say(Name, Addresses[..2]);
        await using var gateway = Start(dns, $"dns://{Name}:{sites.Port}", "breaker: {}");
        var kept = gateway.Service().Endpoints[1];
        using var stop = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            await using var client = await gateway.ConnectAsync();
            var count = 0;
            for (; !stop.IsCancellationRequested; count++)
            {
                await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
            }
            return count;
        })).ToArray();

        var version = gateway.Host.Plane.Model.Version;
        for (var round = 0; round < 10; round++)
        {
            dns.Say(Name, round % 2 == 0 ? Addresses[1..] : Addresses[..2]);
            var expected = round % 2 == 0 ? Addresses[2] : Addresses[0];
            await Eventually.HoldsAsync(() => gateway.Service().Endpoints.Any(endpoint => endpoint.Name.Contains(expected, StringComparison.Ordinal)), $"{expected} is found");
            Assert.Same(kept, gateway.Service().Endpoints.Single(endpoint => endpoint.Name.Contains(Addresses[1], StringComparison.Ordinal)));
        }
        await stop.CancelAsync();
        Assert.All(await Task.WhenAll(clients), count => Assert.True(count > 0));
        Assert.Equal(version, gateway.Host.Plane.Model.Version);

        // Nothing rests at an endpoint that is gone.
        dns.Say(Name, Addresses[1..]);
        await Eventually.HoldsAsync(() => sites.Open(0) == 0, "the connections to the endpoint that is gone end");
    }

    [Theory]
    [InlineData("ServerFailure")]
    [InlineData("NoSuchName")]
    [InlineData("Silence")]
    [InlineData("")]
    public async Task While_DNS_fails_the_last_good_answer_holds(string failure)
    {
        await using var dns = new LoopbackDns();
        await using var sites = new Sites();
        dns.Say(Name, Addresses[0]);
        await using var gateway = Start(dns, $"dns://{Name}:{sites.Port}", dnsKeys: "minTtl: 20ms, timeout: 100ms");
        // An answer without an address is no better than none.
        if (failure.Length == 0)
            dns.Say(Name);
        else
            dns.Failing = Enum.Parse<LoopbackDns.Failure>(failure);

        var name = gateway.Host.DnsNames.Single();
        await Eventually.HoldsAsync(() => name.Counts.Failed >= 2 && name.Problem is not null, "DNS fails");
        Assert.Equal([Addresses[0]], (await AskAsync(gateway, 3)).Distinct());
        Assert.Single(Events(gateway), one => one.Name == "dns-failed");
        var failed = GatewayMetricsReader.Read(gateway.Host).Single(family => family.Name == "malha.dns.questions").Points.Single(point => point.Labels.Any(label => label.Value == "failed"));
        Assert.True(failed.Value >= 2);

        dns.Failing = LoopbackDns.Failure.None;
        dns.Say(Name, Addresses[1]);
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints is [{ } only] && only.Name.Contains(Addresses[1], StringComparison.Ordinal), "the new answer counts");
        Assert.Single(Events(gateway), one => one.Name == "dns-recovered");
        Assert.Equal([Addresses[1]], (await AskAsync(gateway, 3)).Distinct());
    }

    [Fact]
    public async Task Name_that_nobody_knows_yet_is_told_and_found_later()
    {
        await using var dns = new LoopbackDns();
        await using var sites = new Sites();
        await using var gateway = Start(dns, $"dns://{Name}:{sites.Port}");
        var refused = await gateway.GetAsync();
        Assert.Equal(503, refused.Status);
        Assert.Contains($"DNS has given no address yet for dns://{Name}:{sites.Port}", WireText.Text(refused.Body), StringComparison.Ordinal);
        dns.Say(Name, Addresses[0]);
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints.Length == 1, "the address is found");
        Assert.Equal([Addresses[0]], await AskAsync(gateway, 1));
    }

    [Fact]
    public async Task Services_bring_their_ports_and_weights_and_the_best_priority_counts()
    {
        await using var dns = new LoopbackDns();
        await using var sites = new Sites();
        const string Service = "_http._tcp.pay.internal";
        dns.Say("one.internal", Addresses[0]);
        dns.Say("two.internal", Addresses[1]);
        dns.Say("spare.internal", Addresses[2]);
        dns.SayServices(Service, (10, 30, sites.Port, "one.internal"), (10, 10, sites.Port, "two.internal"), (20, 0, sites.Port, "spare.internal"), (10, 5, sites.Port, "gone.internal"));
        await using var gateway = Start(dns, $"srv://{Service}", "balance: round-robin");
        Assert.Equal([30, 10], gateway.Service().Endpoints.Select(endpoint => endpoint.Load.FullWeight));
        var answers = (await AskAsync(gateway, 40)).CountBy(address => address).ToDictionary();
        Assert.Equal(30, answers[Addresses[0]]);
        Assert.Equal(10, answers[Addresses[1]]);
    }

    [Fact]
    public async Task Certificate_is_that_of_the_name_and_not_of_the_address()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(Name);
        await using var dns = new LoopbackDns();
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(request.Value("Host")!), new SslServerAuthenticationOptions { ServerCertificate = certificate });
        dns.Say(Name, "127.0.0.1");
        dns.Say("other.internal", "127.0.0.1");
        await using (var gateway = Start(dns, $"dns+https://{Name}:{origin.Port}", $"tls: {{ ca: \"file:{pki.Ca}\" }}", route: "rewrite: { host: \"{endpoint}\" }"))
        {
            var answer = await gateway.GetAsync();
            Assert.Equal($"{Name}:{origin.Port}", WireText.Text(answer.Body));
        }
        await using (var gateway = Start(dns, $"dns+https://other.internal:{origin.Port}", $"tls: {{ ca: \"file:{pki.Ca}\" }}"))
            Assert.Equal(502, (await gateway.GetAsync()).Status);
    }

    [Theory]
    [InlineData(30, 0, 30)]
    [InlineData(0, 0, 10)]
    [InlineData(3600, 0, 60)]
    // After failures: twice as long each time, and no longer than half a minute.
    [InlineData(null, 1, 10)]
    [InlineData(null, 2, 20)]
    [InlineData(null, 3, 30)]
    [InlineData(null, 5000, 30)]
    public void Name_is_asked_for_as_its_time_to_live_says_within_bounds(int? ttl, int failures, int pause)
    {
        var config = new DnsConfig { MinTtl = TimeSpan.FromSeconds(10), MaxTtl = TimeSpan.FromSeconds(60) };
        var answer = ttl is { } seconds ? new DnsAnswer([new DnsTarget("127.0.0.1", 0, 1)], TimeSpan.FromSeconds(seconds)) : DnsAnswer.Failed("no");
        Assert.Equal(TimeSpan.FromSeconds(pause), DnsName.PauseAfter(config, answer, failures));
    }

    [Fact]
    public async Task Reload_forgets_names_that_are_gone_and_asks_for_new_ones()
    {
        await using var dns = new LoopbackDns();
        await using var sites = new Sites();
        dns.Say(Name, Addresses[0]);
        dns.Say("new.internal", Addresses[1]);
        await using var gateway = Start(dns, $"dns://{Name}:{sites.Port}");
        Assert.Equal([Addresses[0]], await AskAsync(gateway, 1));
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(Yaml(dns, $"dns://new.internal:{sites.Port}"))));
        Assert.Equal(["new.internal"], gateway.Host.DnsNames.Select(name => name.Question.Name));
        Assert.Equal([Addresses[1]], await AskAsync(gateway, 1));
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(Yaml(dns, $"http://{Addresses[2]}:{sites.Port}"))));
        Assert.Empty(gateway.Host.DnsNames);
        Assert.Equal([Addresses[2]], await AskAsync(gateway, 1));
    }

    private static async Task<string[]> AskAsync(TestGateway gateway, int count)
    {
        var answers = new string[count];
        for (var number = 0; number < count; number++)
        {
            var answer = await gateway.GetAsync();
            Assert.Equal(200, answer.Status);
            answers[number] = WireText.Text(answer.Body);
        }
        return answers;
    }

    private static Proxy.Telemetry.Logging.OperationalEvent[] Events(TestGateway gateway) => gateway.Host.Telemetry.Events.Follow(_ => { });

    private static TestGateway Start(LoopbackDns dns, string endpoint, string service = "", string route = "", string dnsKeys = "minTtl: 20ms, timeout: 1s") =>
        TestGateway.Start(Yaml(dns, endpoint, service, route, dnsKeys));

    private static string Yaml(LoopbackDns dns, string endpoint, string service = "", string route = "", string dnsKeys = "minTtl: 20ms, timeout: 1s") =>
        TestGateway.File(endpoint, service, route: route) + "\n" + dns.Yaml(dnsKeys);

    /// <summary>Servers on several addresses of loopback with the same port, each of which answers with its address.</summary>
    private sealed class Sites : IAsyncDisposable
    {
        private readonly int[] _open = new int[Addresses.Length];
        private readonly ScriptedOrigin[] _origins;

        public Sites()
        {
            Port = FreePort.Next();
            _origins = [.. Addresses.Select((address, index) => ScriptedOrigin.Start(async (peer, _) =>
            {
                Interlocked.Increment(ref _open[index]);
                try
                {
                    while (await peer.ReadRequestAsync() is not null)
                        await peer.SendAsync(ScriptedOrigin.Answer(address));
                }
                finally
                {
                    Interlocked.Decrement(ref _open[index]);
                }
            }, address: IPAddress.Parse(address), port: Port))];
        }

        public int Port { get; }

        public int Open(int index) => Volatile.Read(ref _open[index]);

        public async ValueTask DisposeAsync()
        {
            foreach (var origin in _origins)
                await origin.DisposeAsync();
        }
    }
}
