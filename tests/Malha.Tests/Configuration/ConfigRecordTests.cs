using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class ConfigRecordTests
{
    private const string File = """
        listeners:
          edge: { address: 127.0.0.1:8080, trustedProxies: [10.0.0.0/8] }
        admin: { token: env:MALHA_TOKEN }
        classes: { high: { share: 60% }, low: { share: 40%, lend: 50% } }
        clients:
          one: { apiKey: env:MALHA_TOKEN, class: high, limit: { rate: 60/min, burst: 5 } }
          two: { header: { name: X-Tenant, value: t }, address: [10.0.0.0/8] }
        services:
          payments: { endpoints: [http://127.0.0.1:7001, { url: http://127.0.0.1:7002, weight: 3 }], timeout: 2s }
          web: { endpoints: [http://127.0.0.1:7003] }
        routes:
          - match: { host: shop.example, path: /pay/**, methods: [GET], headers: { X-A: a }, query: { q: { prefix: b } } }
            service: payments
            headers: { request: { set: { X-B: c }, remove: [X-C] } }
          - respond: { body: hello }
        """;

    [Fact]
    public void Two_readings_of_one_file_are_equal_and_hash_alike()
    {
        var one = Yaml.Good(File);
        var other = Yaml.Good(File);
        Assert.NotSame(one, other);
        Assert.Equal(one, other);
        Assert.Equal(one.GetHashCode(), other.GetHashCode());
    }

    [Fact]
    public void What_only_moved_within_the_file_is_equal()
    {
        var moved = Yaml.Good("# a comment\n\n" + File.Replace("  web:", "\n  web:", StringComparison.Ordinal));
        Assert.Equal(Yaml.Good(File), moved);
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/9")]
    [InlineData("env:MALHA_TOKEN", "file:token")]
    [InlineData("weight: 3", "weight: 4")]
    [InlineData("lend: 50%", "lend: 60%")]
    [InlineData("burst: 5", "burst: 6")]
    [InlineData("value: t", "value: u")]
    [InlineData("class: high", "class: low")]
    [InlineData("address: [10.0.0.0/8]", "address: [10.0.0.0/9]")]
    [InlineData("7003", "7004")]
    [InlineData("methods: [GET]", "methods: [PUT]")]
    [InlineData("X-A: a", "X-A: b")]
    [InlineData("prefix: b", "exact: b")]
    [InlineData("X-B: c", "X-B: d")]
    [InlineData("remove: [X-C]", "remove: [X-D]")]
    [InlineData("body: hello", "body: other")]
    [InlineData("web:", "net:")]
    public void A_change_deep_within_makes_another_configuration(string from, string to)
    {
        using var directory = new TemporaryDirectory();
        directory.Write("token", "another");
        var changed = Yaml.Good(File.Replace(from, to, StringComparison.Ordinal), directory.Path);
        Assert.NotEqual(Yaml.Good(File), changed);
    }

    [Fact]
    public void The_order_of_services_does_not_count_and_that_of_routes_does()
    {
        var one = Yaml.Good(File);
        var turned = one with { Services = [.. one.Services.Reverse()] };
        Assert.Equal(one, turned);
        Assert.Equal(one.GetHashCode(), turned.GetHashCode());
        Assert.NotEqual(one, one with { Routes = [.. one.Routes.Reverse()] });
        Assert.NotEqual(one, one with { Clients = [.. one.Clients.Reverse()] });
        Assert.NotEqual(one, one with { Classes = [.. one.Classes.Reverse()] });
    }

    [Fact]
    public void A_list_equals_one_with_equal_elements_only()
    {
        ConfigList<string> list = ["a", "b"];
        Assert.Equal(["a", "b"], list);
        Assert.True(list.Equals((ConfigList<string>)["a", "b"]));
        Assert.False(list.Equals((ConfigList<string>)["a"]));
        Assert.False(list.Equals((ConfigList<string>)["b", "a"]));
        Assert.False(list.Equals(null));
    }

    [Fact]
    public void A_dictionary_equals_one_with_equal_entries_only()
    {
        ConfigDictionary<int> map = [new("a", 1), new("b", 2)];
        Assert.True(map.Equals((ConfigDictionary<int>)[new("b", 2), new("a", 1)]));
        Assert.False(map.Equals((ConfigDictionary<int>)[new("a", 1), new("b", 3)]));
        Assert.False(map.Equals((ConfigDictionary<int>)[new("a", 1), new("c", 2)]));
        Assert.False(map.Equals((ConfigDictionary<int>)[new("a", 1)]));
        Assert.Equal(["a", "b"], map.Keys);
    }

    [Fact]
    public void A_place_tells_its_path_its_line_and_which_keys_the_file_gives()
    {
        var config = Yaml.Good(File);
        var service = config.Services["payments"].Source;
        Assert.Equal(("services.payments", 9, 3), (service.Path, service.Line, service.Column));
        Assert.Equal("malha.yaml:9:3", service.ToString());
        Assert.True(service.Says("timeout"));
        Assert.False(service.Says("balance"));
        Assert.Equal(("services.payments.timeout", 9, 103), (service.Of("timeout").Path, service.Of("timeout").Line, service.Of("timeout").Column));
        Assert.Equal(("services.payments.balance", 9), (service.Of("balance").Path, service.Of("balance").Line));
        Assert.Equal("routes[1]", config.Routes[1].Source.Path);
        Assert.Equal("routes[0].match", config.Routes[0].Match.Source.Path);
    }

    [Fact]
    public void An_upstream_alone_makes_a_configuration_that_takes_everything()
    {
        var config = MalhaConfig.ForUpstream(new Uri("http://127.0.0.1:7001"));
        var expected = Yaml.Good("""
            listeners: { edge: { address: 127.0.0.1:8080 } }
            services: { upstream: { endpoints: [http://127.0.0.1:7001] } }
            routes: [{ service: upstream }]
            """);
        Assert.Equal(expected, config);
        Assert.Equal("services.upstream", config.Services["upstream"].Source.Path);
        Assert.Null(config.Admin);
    }

    [Theory]
    [InlineData("ftp://127.0.0.1")]
    [InlineData("http://user:secret@127.0.0.1")]
    [InlineData("http://127.0.0.1/path")]
    public void An_upstream_that_is_no_endpoint_is_refused(string url) =>
        Assert.Throws<ArgumentException>(() => MalhaConfig.ForUpstream(new Uri(url)));
}
