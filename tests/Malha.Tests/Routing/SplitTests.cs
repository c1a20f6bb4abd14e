using System.Globalization;
using Malha.Proxy.Telemetry;
using Malha.Tests.Configuration;
using Malha.Tests.Telemetry;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Routing;

public sealed class SplitTests
{
    private const int Requests = 20_000;

    /// <summary>Five standard deviations of a share of 10 % among so many.</summary>
    private const double Tolerance = 0.011;

    [Theory]
    [InlineData("", "")]
    [InlineData(", splitOn: \"header:X-User\"", "X-User: {0}\r\n")]
    [InlineData(", splitOn: \"cookie:sid\"", "Cookie: other=1; sid={0}; sid2=x\r\n")]
    // Without what it goes by, chance decides.
    [InlineData(", splitOn: \"header:X-User\"", "X-Other: {0}\r\n")]
    [InlineData(", splitOn: \"cookie:sid\"", "Cookie: xsid={0}; sid2=x\r\n")]
    public void Each_service_gets_its_share(string on, string fields)
    {
        using var split = new Split($"v1: 90%, v2: 10%{(on.Length > 0 ? " }" : "")}{on}", isClosed: on.Length > 0);
        var second = Enumerable.Range(0, Requests).Count(number => split.Of(string.Format(CultureInfo.InvariantCulture, fields, number)) == "v2");
        Assert.InRange(second / (double)Requests, 0.1 - Tolerance, 0.1 + Tolerance);
    }

    [Theory]
    [InlineData("\"header:X-User\"", "X-User: 17\r\n", "X-User: 18\r\n")]
    [InlineData("\"cookie:sid\"", "Cookie: a=b\r\nCookie: sid=17\r\n", "Cookie: sid=18; a=b\r\n")]
    public void What_has_the_same_key_stays_together(string on, string fields, string others)
    {
        using var split = new Split($"v1: 50%, v2: 50% }}, splitOn: {on}", isClosed: true);
        var first = split.Of(fields);
        Assert.All(Enumerable.Range(0, 100), _ => Assert.Equal(first, split.Of(fields)));
        // The other key is another one, wherever it goes.
        var second = split.Of(others);
        Assert.All(Enumerable.Range(0, 100), _ => Assert.Equal(second, split.Of(others)));
    }

    [Fact]
    public void The_address_and_the_segment_of_a_path_decide_too()
    {
        using var byAddress = new Split("v1: 50%, v2: 50% }, splitOn: address", isClosed: true);
        var services = Enumerable.Range(1, 200).Select(last => byAddress.Of("", $"10.0.0.{last}")).ToArray();
        Assert.Equal(services, Enumerable.Range(1, 200).Select(last => byAddress.Of("X: 1\r\n", $"10.0.0.{last}")));
        Assert.InRange(services.Count(one => one == "v1"), 60, 140);
        // All of a customer's IPv6 addresses are one.
        Assert.Single(Enumerable.Range(1, 50).Select(last => byAddress.Of("", $"2001:db8::{last}")).Distinct());

        using var bySegment = new Split("v1: 50%, v2: 50% }, splitOn: \"segment:2\"", isClosed: true);
        Assert.All(Enumerable.Range(0, 50), number => Assert.Single(Enumerable.Range(0, 5).Select(other => bySegment.Of("", target: $"/{other}/{number}/{other}?q={other}")).Distinct()));
    }

    [Fact]
    public void When_shares_change_only_so_many_keys_move()
    {
        using var before = new Split("v1: 90%, v2: 10% }, splitOn: \"header:X-User\"", isClosed: true);
        using var after = new Split("v1: 80%, v2: 20% }, splitOn: \"header:X-User\"", isClosed: true);
        var moved = 0;
        for (var user = 0; user < Requests; user++)
        {
            var (was, now) = (before.Of($"X-User: {user}\r\n"), after.Of($"X-User: {user}\r\n"));
            moved += was == now ? 0 : 1;
            Assert.False(was == "v2" && now == "v1", "nobody goes back");
        }
        Assert.InRange(moved / (double)Requests, 0.1 - Tolerance, 0.1 + Tolerance);
    }

    [Fact]
    public void A_service_whose_share_is_nothing_gets_nothing()
    {
        using var split = new Split("v1: 100%, v2: 0%");
        Assert.All(Enumerable.Range(0, 1000), _ => Assert.Equal("v1", split.Of("")));
    }

    [Fact]
    public void A_routes_own_limits_go_before_those_of_its_service()
    {
        var config = Yaml.Good($$"""
            {{Yaml.Edge}}
            services: { one: { endpoints: [127.0.0.1:7001], maxBody: 1KiB, maxDuration: 1m, idleTimeout: 1s } }
            routes:
              - { match: { path: /own }, service: one, maxBody: off, maxDuration: 2m, idleTimeout: 2s }
              - { service: one }
            """);
        using var exchanges = new TestExchanges(config, new FakeTimeProvider(), new GatewayTelemetry(TimeProvider.System));
        var model = exchanges.Host.Plane.Model;
        var (own, ofService) = (model.TargetsOf(model.Routes.Routes[0])[0], model.TargetsOf(model.Routes.Routes[1])[0]);
        Assert.Equal((null, TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(2)), (own.MaxBody, own.MaxDuration, own.IdleTimeout));
        Assert.Equal(("routes[0].maxBody", "routes[0].maxDuration", "routes[0].idleTimeout"), (own.MaxBodyRule, own.MaxDurationRule, own.IdleTimeoutRule));
        Assert.Equal((1024, TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(1)), (ofService.MaxBody, ofService.MaxDuration, ofService.IdleTimeout));
        Assert.Equal("services.one.maxBody", ofService.MaxBodyRule);
    }

    private sealed class Split : IDisposable
    {
        private readonly TestExchanges _exchanges;

        public Split(string split, bool isClosed = false)
        {
            var config = Yaml.Good($$"""
                {{Yaml.Edge}}
                services: { v1: { endpoints: [127.0.0.1:7001] }, v2: { endpoints: [127.0.0.1:7002] } }
                routes: [ { split: { {{split}}{{(isClosed ? "" : " }")}} } ]
                """);
            _exchanges = new TestExchanges(config, new FakeTimeProvider(), new GatewayTelemetry(TimeProvider.System));
        }

        public string Of(string fields, string peer = "127.0.0.1", string target = "/")
        {
            var model = _exchanges.Host.Plane.Model;
            var exchange = _exchanges.Arrive(fields, peer, target);
            Assert.True(model.Identity.Identify(exchange).IsNone);
            return model.TargetOf(model.Routes.Routes[0], exchange)!.Service.Config.Name;
        }

        public void Dispose() => _exchanges.Dispose();
    }
}
