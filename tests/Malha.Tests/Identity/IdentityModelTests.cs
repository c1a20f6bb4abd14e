using System.Text;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Telemetry;
using Malha.Tests.Configuration;
using Malha.Tests.Telemetry;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Identity;

/// <summary>Who a request's client is, and what that entails; on exchanges of which only the head has come.</summary>
public sealed class IdentityModelTests : IDisposable
{
    private const string File = Yaml.Edge + """
        classes: { critical: { share: 50% }, standard: { share: 30%, lend: 50% }, batch: { share: 20%, lend: 100% } }
        trustedMalha: [10.9.0.0/16]
        clients:
          office: { address: [192.0.2.0/24], class: standard }
          billing: { apiKey: [env:KEY_1, env:KEY_2], class: critical, limit: { rate: 60/min, burst: 3 } }
          pinned: { apiKey: env:MALHA_TOKEN, address: [203.0.113.0/24] }
          tenant: { header: { name: X-Tenant, value: acme }, class: standard }
          anyone: { any: true, limit: { rate: 20/s, burst: 1, per: ip } }
        services: { web: { endpoints: [127.0.0.1:9] } }
        routes:
          - { match: { path: /open }, respond: {} }
          - { match: { path: /known }, auth: required, respond: {} }
          - { match: { path: /billing }, allow: [billing], respond: {} }
          - { match: { path: /anyone }, allow: [anyone], respond: {} }
          - { match: { path: /free }, limit: off, respond: {} }
          - { match: { path: /dear }, limit: { rate: 1/s, burst: 10, cost: 6 }, respond: {} }
        """;

    private readonly FakeTimeProvider _time = new();
    private readonly TestExchanges _exchanges;

    public IdentityModelTests() => _exchanges = new TestExchanges(Yaml.Good(File), _time, new GatewayTelemetry(_time));

    public void Dispose() => _exchanges.Dispose();

    [Theory]
    [InlineData("billing", 0, "X-Api-Key: key-number-one\r\n", "198.51.100.1")]
    [InlineData("billing", 0, "x-api-key: key-number-two\r\n", "198.51.100.1")]
    [InlineData("office", 1, "", "192.0.2.9")]
    [InlineData("office", 1, "X-Api-Key: key-number-one\r\n", "192.0.2.9")]
    [InlineData("pinned", 2, "X-Api-Key: correct-horse\r\n", "203.0.113.5")]
    [InlineData("tenant", 1, "X-Tenant: acme\r\n", "198.51.100.1")]
    [InlineData("anyone", 2, "X-Tenant: other\r\n", "198.51.100.1")]
    [InlineData("anyone", 2, "X-Tenant: acme\r\nX-Tenant: acme\r\n", "198.51.100.1")]
    [InlineData("anyone", 2, "", "2001:db8::1")]
    public void The_first_client_that_takes_the_request_is_its_client(string name, int shareClass, string fields, string peer)
    {
        var exchange = _exchanges.Arrive(fields, peer);
        Assert.True(Identify(exchange).IsNone);
        Assert.Equal(name, exchange.Caller.Client!.Name);
        Assert.Equal(shareClass, exchange.ShareClass);
    }

    [Theory]
    [InlineData("X-Api-Key: wrong\r\n", "198.51.100.1")]
    [InlineData("X-Api-Key: \r\n", "198.51.100.1")]
    [InlineData("X-Api-Key: wrong\r\n", "192.0.2.9")]
    [InlineData("X-Api-Key: wrong\r\nX-Tenant: acme\r\n", "198.51.100.1")]
    [InlineData("X-Api-Key: key-number-one\r\nX-Api-Key: key-number-one\r\n", "198.51.100.1")]
    [InlineData("X-Api-Key: correct-horse\r\n", "198.51.100.1")]
    [InlineData("X-Api-Key: correct-horse\r\nX-Tenant: acme\r\n", "198.51.100.1")]
    public void A_credential_that_is_nobodys_there_is_refused_and_never_taken_for_anybodys(string fields, string peer)
    {
        var exchange = _exchanges.Arrive(fields, peer);
        Assert.Equal(RefusalKind.InvalidCredential, Identify(exchange).Kind);
        Assert.Null(exchange.Caller.Client);
    }

    [Fact]
    public void Failures_of_an_address_are_bounded_and_lock_nobody_else_out()
    {
        for (var failure = 0; failure < 20; failure++)
            Assert.Equal(RefusalKind.InvalidCredential, Identify(_exchanges.Arrive("X-Api-Key: wrong\r\n", "198.51.100.1")).Kind);
        var refused = Identify(_exchanges.Arrive("X-Api-Key: wrong\r\n", "198.51.100.1"));
        Assert.Equal((RefusalKind.CredentialFailures, 429, 20.0, 21.0, 3000L), (refused.Kind, refused.Status, refused.Limit, refused.Observed, refused.RetryAfterMs));

        // Right credentials and none at all of the same address, and wrong ones of the next.
        Assert.True(Identify(_exchanges.Arrive("X-Api-Key: key-number-one\r\n", "198.51.100.1")).IsNone);
        Assert.True(Identify(_exchanges.Arrive("", "198.51.100.1")).IsNone);
        Assert.Equal(RefusalKind.InvalidCredential, Identify(_exchanges.Arrive("X-Api-Key: wrong\r\n", "198.51.100.2")).Kind);
        var failures = _exchanges.Host.Plane.Model.Identity.States.Failures;
        Assert.True(failures.IsSpent(IpTests.Read("198.51.100.1"), Now));
        Assert.False(failures.IsSpent(IpTests.Read("198.51.100.2"), Now));

        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(RefusalKind.InvalidCredential, Identify(_exchanges.Arrive("X-Api-Key: wrong\r\n", "198.51.100.1")).Kind);
    }

    [Theory]
    [InlineData("/open", "", null, null)]
    [InlineData("/known", "", "Unauthenticated", "routes[1].auth")]
    [InlineData("/known", "X-Tenant: acme\r\n", null, null)]
    [InlineData("/known", "X-Api-Key: key-number-one\r\n", null, null)]
    [InlineData("/billing", "", "Unauthenticated", "routes[2].allow")]
    [InlineData("/billing", "X-Tenant: acme\r\n", "Forbidden", "routes[2].allow")]
    [InlineData("/billing", "X-Api-Key: key-number-two\r\n", null, null)]
    [InlineData("/anyone", "", null, null)]
    [InlineData("/anyone", "X-Tenant: acme\r\n", "Forbidden", "routes[3].allow")]
    public void A_route_says_who_may_call_it(string path, string fields, string? expected, string? rule)
    {
        var exchange = Routed(path, fields);
        var refusal = exchange.Model.Identity.Authorize(exchange);
        Assert.Equal((expected ?? "None", rule), (refusal.Kind.ToString(), refusal.Rule));
        if (expected is not null)
            Assert.Equal(expected == "Forbidden" ? 403 : 401, refusal.Status);
    }

    [Fact]
    public void A_limit_holds_for_the_whole_client_and_its_refusal_says_all()
    {
        for (var left = 2; left >= 0; left--)
        {
            var exchange = Routed("/open", $"X-Api-Key: key-number-{(left % 2 == 0 ? "one" : "two")}\r\n", $"198.51.100.{left}");
            Assert.True(Limit(exchange).IsNone);
            Assert.Equal((left, left == 0 ? 1 : 3 - left), ((int)exchange.Caller.Remaining, (int)exchange.Caller.ResetSeconds));
        }
        var refused = Routed("/open", "X-Api-Key: key-number-one\r\n");
        var refusal = Limit(refused);
        Assert.Equal((RefusalKind.RateLimited, 429, "clients.billing.limit"), (refusal.Kind, refusal.Status, refusal.Rule));
        Assert.Equal((3.0, 4.0, "requests", 1000L), (refusal.Limit, refusal.Observed, refusal.Unit!, refusal.RetryAfterMs));
        Assert.Equal("60/min are allowed, and 3 at once", refusal.Detail);
        Assert.Equal("\"billing\"", Encoding.ASCII.GetString(refused.Caller.Limit!.PolicyName));
        Assert.Equal("RateLimit-Policy: \"billing\";q=60;w=60\r\n", Encoding.ASCII.GetString(refused.Caller.Limits!.PolicyLine));

        // Neither another client nor the same one a second later is concerned.
        Assert.True(Limit(Routed("/open", "X-Tenant: acme\r\n")).IsNone);
        _time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Equal(RefusalKind.RateLimited, Limit(Routed("/open", "X-Api-Key: key-number-one\r\n")).Kind);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(Limit(Routed("/open", "X-Api-Key: key-number-one\r\n")).IsNone);
    }

    [Theory]
    [InlineData("198.51.100.1", "198.51.100.2", false)]
    [InlineData("198.51.100.1", "198.51.100.1", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:2::1", false)]
    public void A_limit_for_each_address_counts_IPv4_by_address_and_IPv6_by_64(string one, string other, bool same)
    {
        Assert.True(Limit(Routed("/open", "", one)).IsNone);
        Assert.Equal(same, !Limit(Routed("/open", "", other)).IsNone);
    }

    [Fact]
    public void A_routes_own_limit_takes_the_place_of_the_clients()
    {
        for (var count = 0; count < 20; count++)
        {
            var free = Routed("/free", "");
            Assert.True(Limit(free).IsNone);
            Assert.Null(free.Caller.Limits);
        }

        Assert.True(Limit(Routed("/dear", "X-Tenant: acme\r\n")).IsNone);
        var refusal = Limit(Routed("/dear", "X-Tenant: acme\r\n"));
        Assert.Equal(("routes[5].limit", 10.0, 12.0, 2000L), (refusal.Rule, refusal.Limit, refusal.Observed, refusal.RetryAfterMs));
        Assert.Equal("1/s are allowed, and 10 at once; this request counts as 6", refusal.Detail);
        Assert.True(Limit(Routed("/dear", "X-Api-Key: key-number-one\r\n")).IsNone);
    }

    [Fact]
    public async Task A_reload_keeps_what_was_used_of_a_limit_and_new_rates_hold_at_once()
    {
        for (var count = 0; count < 3; count++)
            Assert.True(Limit(Routed("/open", "X-Api-Key: key-number-one\r\n")).IsNone);
        Assert.Null(await _exchanges.Host.ReloadAsync(Yaml.Good(File.Replace("20/s", "30/s", StringComparison.Ordinal))));
        Assert.Equal(RefusalKind.RateLimited, Limit(Routed("/open", "X-Api-Key: key-number-one\r\n")).Kind);

        // An empty bucket, and no debt of the slower rate that would have to be worked off.
        Assert.Null(await _exchanges.Host.ReloadAsync(Yaml.Good(File.Replace("60/min", "600/min", StringComparison.Ordinal))));
        Assert.InRange(Limit(Routed("/open", "X-Api-Key: key-number-one\r\n")).RetryAfterMs, 1, 100);
        Assert.Equal(3, _exchanges.Host.Plane.Model.Identity.Clients[1].Limits!.Limits[0].Gcra.Burst);
    }

    [Fact]
    public void Only_a_trusted_Malha_is_believed()
    {
        const string Fields = "Malha-Timeout: 1500\r\nMalha-Attempt: 3\r\nMalha-Class: critical\r\n";
        var trusted = _exchanges.Arrive(Fields, "10.9.1.1");
        Assert.True(Identify(trusted).IsNone);
        Assert.Equal((TimeSpan.FromMilliseconds(1500), 3, 0), (trusted.Caller.RemainingTimeout!.Value, trusted.Caller.InboundAttempt, trusted.ShareClass));
        var strange = _exchanges.Arrive(Fields, "10.8.1.1");
        Assert.True(Identify(strange).IsNone);
        Assert.Equal((null, 1, 2), (strange.Caller.RemainingTimeout, strange.Caller.InboundAttempt, strange.ShareClass));
    }

    [Theory]
    [InlineData("Malha-Timeout: -1\r\nMalha-Attempt: 0\r\nMalha-Class: none\r\n")]
    [InlineData("Malha-Timeout: 1.5\r\nMalha-Attempt: 2x\r\nMalha-Class: Critical\r\n")]
    [InlineData("Malha-Timeout: \r\nMalha-Attempt: 99999999999\r\nMalha-Class: \r\n")]
    public void What_a_trusted_Malha_cannot_have_meant_is_passed_over(string fields)
    {
        var exchange = _exchanges.Arrive(fields, "10.9.1.1");
        Assert.True(Identify(exchange).IsNone);
        Assert.Equal((null, 1, 2), (exchange.Caller.RemainingTimeout, exchange.Caller.InboundAttempt, exchange.ShareClass));
    }

    [Fact]
    public void Accepting_and_refusing_allocate_nothing()
    {
        var accepted = Routed("/free", "X-Api-Key: key-number-one\r\n");
        var limited = Routed("/open", "X-Api-Key: key-number-one\r\n");
        var wrong = _exchanges.Arrive("X-Api-Key: wrong\r\n", "198.51.100.7");
        var buffer = new byte[ProblemWriter.MaxBody];
        void Round()
        {
            _ = Identify(accepted);
            _ = Limit(accepted);
            _ = Identify(limited);
            var refusal = Limit(limited);
            ProblemWriter.WriteFields(buffer, limited, refusal);
            ProblemWriter.WriteBody(buffer, limited, refusal);
            refusal = Identify(wrong);
            ProblemWriter.WriteFields(buffer, wrong, refusal);
            ProblemWriter.WriteBody(buffer, wrong, refusal);
        }
        for (var round = 0; round < 50; round++)
            Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 1_000; round++)
            Round();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void An_exchange_that_is_used_again_knows_nothing_of_the_caller_before()
    {
        var exchange = Routed("/open", "X-Api-Key: key-number-one\r\n");
        _ = Limit(exchange);
        exchange.Reset();
        Assert.Null(exchange.Caller.Client);
        Assert.Null(exchange.Caller.Limits);
        Assert.Equal(0, exchange.ShareClass);
    }

    private Malha.Resilience.Moment Now => _exchanges.Host.Plane.Model.Identity.States.Clock.Now;

    private static Refusal Identify(Exchange exchange)
    {
        exchange.Caller.Reset();
        return exchange.Model.Identity.Identify(exchange);
    }

    private static Refusal Limit(Exchange exchange) => exchange.Model.Identity.Limit(exchange);

    private Exchange Routed(string path, string fields, string peer = "198.51.100.1")
    {
        var exchange = _exchanges.Arrive(fields, peer, path);
        Assert.True(Identify(exchange).IsNone);
        exchange.Route = exchange.Model.Routes.Match(exchange.Request).Route;
        return exchange;
    }
}
