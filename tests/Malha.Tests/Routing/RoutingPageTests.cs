using System.Text.RegularExpressions;
using Malha.Proxy.Routing;
using Malha.Tests.Configuration;

namespace Malha.Tests.Routing;

public sealed partial class RoutingPageTests
{
    [Fact]
    public void The_example_of_the_page_is_a_configuration_and_routes_as_it_says()
    {
        var example = Block().Match(File.ReadAllText(Repository.File("docs", "routing.md"))).Groups[1].Value;
        const string services =
            "services: { payments: { endpoints: [http://127.0.0.1:7001] }, payments-beta: { endpoints: [http://127.0.0.1:7002] } }\n";
        var table = RouteTable.Build(Yaml.Good(Yaml.Edge + services + example).Routes);

        Assert.Equal("pay", Routes.Name(table, "GET", "shop.example/pay/status"));
        Assert.Equal("routes[1]", Routes.Name(table, "GET", "other.example/pay/status", "X-Beta: 1"));
        Assert.Equal("routes[2]", Routes.Name(table, "GET", "shop.old.example/pay"));
    }

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();
}
