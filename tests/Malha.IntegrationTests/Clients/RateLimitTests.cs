using System.Net;
using Malha.IntegrationTests.Traffic;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;
using static Malha.IntegrationTests.Clients.ClientsGateway;

namespace Malha.IntegrationTests.Clients;

/// <summary>How much clients may, on the wire and in virtual time.</summary>
public sealed class RateLimitTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Client_gets_what_its_limit_says_and_the_refusal_says_the_limit()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, "clients: { partner: { apiKey: env:KEY_1, limit: { rate: 100/min, burst: 2 } }, other: { apiKey: env:KEY_2 } }"), _time);
        for (var left = 1; left >= 0; left--)
        {
            var served = await gateway.AskAsync(Get(Key("key-number-one")));
            Assert.Equal(200, served.Status);
            Assert.Equal("\"partner\";q=100;w=60", served.Value("RateLimit-Policy"));
            Assert.Equal($"\"partner\";r={left};t=1", served.Value("RateLimit"));
        }

        var answer = await gateway.AskAsync(Get(Key("key-number-one")));
        var problem = Problem.Has(answer, 429, "rate-limited", "clients.partner.limit", 2, "requests", "http_request_denied");
        Assert.Equal(3, problem.GetProperty("observed").GetDouble());
        Assert.Equal("partner", problem.GetProperty("client").GetString());
        Assert.Equal(600, problem.GetProperty("retryAfterMs").GetInt64());
        Assert.Equal("100/min are allowed, and 2 at once", problem.GetProperty("detail").GetString());
        Assert.Equal("1", answer.Value("Retry-After"));
        Assert.Equal("\"partner\";q=100;w=60", Assert.Single(answer.Values("RateLimit-Policy")));
        Assert.Equal("\"partner\";r=0;t=1", Assert.Single(answer.Values("RateLimit")));
        Assert.Equal("Too Many Requests", answer.Reason);
        Assert.Equal(1, origin.Connections);

        // Others are not concerned, and have no such fields.
        var other = await gateway.AskAsync(Get(Key("key-number-two")));
        Assert.Equal(200, other.Status);
        Assert.Null(other.Value("RateLimit-Policy"));
        Assert.Null(other.Value("RateLimit"));

        _time.Advance(TimeSpan.FromMilliseconds(599));
        Assert.Equal(429, (await gateway.AskAsync(Get(Key("key-number-one")))).Status);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(200, (await gateway.AskAsync(Get(Key("key-number-one")))).Status);
    }

    [Fact]
    public async Task Fields_of_a_limit_stand_beside_those_of_the_service_and_on_answers_of_the_gateways_own()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("x", "RateLimit-Policy: \"theirs\";q=1;w=1\r\n"));
        await using var gateway = TestGateway.Start(File(origin, "clients: { anyone: { any: true, limit: [ 100/s, { rate: 1000/h, per: ip } ] } }", """
            [ { match: { path: /own }, respond: { status: 204 } }, { match: { path: /moved }, redirect: { to: /own } },
              { match: { path: /quiet }, service: origin, headers: { response: { remove: [ RateLimit, RateLimit-Policy ] } } }, { service: origin } ]
            """), _time);
        var answer = await gateway.AskAsync(Get());
        Assert.Equal(["\"theirs\";q=1;w=1", "\"anyone\";q=100;w=1, \"anyone.1\";q=1000;w=3600"], answer.Values("RateLimit-Policy"));
        Assert.Equal("\"anyone\";r=99;t=1", answer.Value("RateLimit"));
        answer = await gateway.AskAsync(Get(path: "/own"));
        Assert.Equal((204, "\"anyone\";r=98;t=1"), (answer.Status, answer.Value("RateLimit")));
        answer = await gateway.AskAsync(Get(path: "/moved"));
        Assert.Equal((307, "\"anyone\";r=97;t=1"), (answer.Status, answer.Value("RateLimit")));
        answer = await gateway.AskAsync(Get(path: "/quiet"));
        Assert.Empty(answer.Values("RateLimit").Concat(answer.Values("RateLimit-Policy")));
    }

    [Fact]
    public async Task Critical_client_is_served_while_another_floods()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, """
            clients:
              billing: { apiKey: env:KEY_1, limit: { rate: 10/s, burst: 20 } }
              anyone: { any: true, limit: { rate: 1/s, burst: 5 } }
            """), _time);
        await using var flood = await gateway.ConnectAsync();
        await using var critical = await gateway.ConnectAsync();
        var (served, refused) = (0, 0);
        for (var round = 0; round < 20; round++)
        {
            for (var burst = 0; burst < 20; burst++)
            {
                await flood.SendAsync(Get());
                var answer = await flood.ReadAnswerAsync();
                served += answer.Status == 200 ? 1 : 0;
                refused += answer.Status == 429 ? 1 : 0;
            }
            await critical.SendAsync(Get(Key("key-number-one")));
            Assert.Equal(200, (await critical.ReadAnswerAsync()).Status);
            _time.Advance(TimeSpan.FromMilliseconds(100));
        }
        Assert.Equal((5 + 1, 394), (served, refused));
    }

    [Fact]
    public async Task Limit_for_each_address_sees_through_trusted_proxies_and_takes_a_64_for_one()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(
            File(origin, "clients: { anyone: { any: true, limit: { rate: 1/s, burst: 1, per: ip } } }", listener: "trustedProxies: [ 127.0.0.1, 10.0.0.0/8 ]"), _time);
        async Task<int> AskAsync(string fields) => (await gateway.AskAsync(Get(fields))).Status;
        Assert.Equal(200, await AskAsync("X-Forwarded-For: 203.0.113.1\r\n"));
        Assert.Equal(429, await AskAsync("X-Forwarded-For: 203.0.113.1\r\n"));
        // What a client writes itself stands further left.
        Assert.Equal(429, await AskAsync("X-Forwarded-For: 198.51.100.9, 203.0.113.1, 10.1.1.1\r\n"));
        Assert.Equal(429, await AskAsync("Forwarded: for=198.51.100.9, for=\"203.0.113.1:4711\"\r\n"));
        Assert.Equal(200, await AskAsync("X-Forwarded-For: 203.0.113.2\r\n"));
        Assert.Equal(200, await AskAsync("X-Forwarded-For: 2001:db8:0:1::1\r\n"));
        Assert.Equal(429, await AskAsync("X-Forwarded-For: 2001:db8:0:1:ffff::2\r\n"));
        Assert.Equal(200, await AskAsync("X-Forwarded-For: 2001:db8:0:2::1\r\n"));
        // The proxy itself: without a word of others, or with one that is not clear.
        Assert.Equal(200, await AskAsync(""));
        Assert.Equal(429, await AskAsync("X-Forwarded-For: nonsense\r\n"));
        Assert.Equal(429, await AskAsync("X-Forwarded-For: 203.0.113.3\r\nForwarded: for=203.0.113.4\r\n"));
    }

    [Fact]
    public async Task Limit_for_each_address_does_not_believe_strangers()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, "clients: { anyone: { any: true, limit: { rate: 1/s, burst: 1, per: ip } } }"), _time);
        Assert.Equal(200, (await gateway.AskAsync(Get("X-Forwarded-For: 203.0.113.1\r\n"))).Status);
        Assert.Equal(429, (await gateway.AskAsync(Get("X-Forwarded-For: 203.0.113.2\r\n"))).Status);
    }

    [Fact]
    public async Task Address_alone_can_say_who_calls_on_a_listener_for_both_families()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, """
            clients:
              four: { address: [ 127.0.0.0/8 ], limit: 1/h }
              six: { address: [ "::1" ], limit: 2/h }
            """, address: "*:0"), _time);
        Assert.Equal("\"four\";q=1;w=3600", (await gateway.AskAsync(Get())).Value("RateLimit-Policy"));
        if (!FailureTests.HasLoopback6())
            return;
        await using var client = await Peer.ConnectAsync(new IPEndPoint(IPAddress.IPv6Loopback, gateway.Port));
        await client.SendAsync(Get());
        Assert.Equal("\"six\";q=2;w=3600", (await client.ReadAnswerAsync()).Value("RateLimit-Policy"));
    }

    [Fact]
    public async Task Reload_keeps_what_was_used()
    {
        await using var origin = ScriptedOrigin.Echoing();
        const string Clients = "clients: { partner: { apiKey: env:KEY_1, limit: { rate: 60/h, burst: 3 } }, anyone: { any: true } }";
        await using var gateway = TestGateway.Start(File(origin, Clients), _time);
        for (var count = 0; count < 2; count++)
            Assert.Equal(200, (await gateway.AskAsync(Get(Key("key-number-one")))).Status);
        foreach (var changed in (string[])[Clients.Replace("anyone", "others", StringComparison.Ordinal), Clients.Replace("env:KEY_1", "[ env:KEY_2, env:KEY_1 ]", StringComparison.Ordinal)])
            Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File(origin, changed))));
        Assert.Equal("\"partner\";r=0;t=60", (await gateway.AskAsync(Get(Key("key-number-one")))).Value("RateLimit"));
        Assert.Equal(429, (await gateway.AskAsync(Get(Key("key-number-two")))).Status);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(File(origin, Clients.Replace("partner", "renamed", StringComparison.Ordinal)))));
        Assert.Equal(200, (await gateway.AskAsync(Get(Key("key-number-one")))).Status);
    }

    [Fact]
    public async Task Requests_that_no_route_takes_or_the_client_may_not_send_cost_nothing()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(
            File(origin, "clients: { one: { apiKey: env:KEY_1 }, anyone: { any: true, limit: { rate: 1/h, burst: 1 } } }",
                "[ { match: { path: /known }, service: origin, auth: required }, { match: { path: /open }, service: origin } ]"), _time);
        for (var count = 0; count < 3; count++)
        {
            Assert.Equal(404, (await gateway.AskAsync(Get(path: "/nowhere"))).Status);
            Assert.Equal(401, (await gateway.AskAsync(Get(path: "/known"))).Status);
        }
        Assert.Equal(200, (await gateway.AskAsync(Get(path: "/open"))).Status);
        Assert.Equal(429, (await gateway.AskAsync(Get(path: "/open"))).Status);
    }
}
