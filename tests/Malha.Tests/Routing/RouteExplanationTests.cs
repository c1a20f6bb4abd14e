using Malha.Proxy.Routing;
using Malha.Tests.Http1;

namespace Malha.Tests.Routing;

public sealed class RouteExplanationTests
{
    [Fact]
    public void Every_route_says_why_it_does_or_does_not_take_the_request()
    {
        var table = Routes.Table(
            "late: /pay/**",
            "elsewhere: other.example/**",
            "query: shop.example/pay/x ?beta+",
            "header: shop.example/pay/x x-tier=gold",
            "method: DELETE PURGE shop.example/pay/x",
            "path: shop.example/orders",
            "taken: shop.example/pay/{id}");

        var explained = table.Explain(Heads.Get("/pay/x", "shop.example"));

        Assert.Equal("taken", explained.Match.Route?.Name);
        Assert.Empty(explained.Allow);
        Assert.Equal(
            [
                ("method", RouteVerdict.MethodDiffers, "the method is not DELETE or PURGE"),
                ("header", RouteVerdict.HeaderDiffers, "the header x-tier is not 'gold'"),
                ("query", RouteVerdict.QueryDiffers, "the query parameter beta is missing"),
                ("path", RouteVerdict.PathDiffers, "the path does not fit /orders"),
                ("taken", RouteVerdict.Taken, "all of it fits"),
                ("late", RouteVerdict.Outranked, "fits too, but taken comes first"),
                ("elsewhere", RouteVerdict.HostDiffers, "the host is not other.example"),
            ],
            explained.Candidates.Select(candidate => (candidate.Route.Name, candidate.Verdict, candidate.Reason)));
    }

    [Fact]
    public void Methods_that_would_be_taken_are_told_once()
    {
        var explained = Routes.Table("a: PUT POST /a", "b: POST PURGE /{x}", "c: LINK /** x-a+").Explain(Heads.Get("/a"));
        Assert.Equal(RouteOutcome.MethodNotAllowed, explained.Match.Outcome);
        Assert.Equal(["PUT", "POST", "PURGE"], explained.Allow);
    }

    [Fact]
    public void Options_asterisk_is_explained_too()
    {
        var explained = Routes.Table("a: /a/**", "all: /**").Explain(Heads.Request("OPTIONS", "*", "Host: h"));
        Assert.Equal("all", explained.Match.Route?.Name);
        Assert.Equal("* is taken by /** only, not by /a/**", explained.Candidates[0].Reason);
    }
}
