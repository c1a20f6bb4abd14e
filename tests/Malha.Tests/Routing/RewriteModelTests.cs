using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Tests.Configuration;
using Malha.Tests.Http1;

namespace Malha.Tests.Routing;

public sealed class RewriteModelTests
{
    [Theory]
    // A prefix is what stands before /**, counted in segments.
    [InlineData("/pay/**", "prefix: /v2", "/pay/a/b", "/v2/a/b")]
    [InlineData("/pay/**", "prefix: /v2", "/pay", "/v2")]
    [InlineData("/pay/**", "prefix: /v2", "/pay/", "/v2/")]
    [InlineData("/pay/**", "prefix: /", "/pay", "/")]
    [InlineData("/pay/**", "prefix: /", "/pay/", "/")]
    [InlineData("/pay/**", "prefix: /", "/pay/a//b", "/a//b")]
    [InlineData("/**", "prefix: /v2", "/", "/v2/")]
    [InlineData("/**", "prefix: /v2", "/a", "/v2/a")]
    [InlineData("\"/{tenant}/api/**\"", "prefix: /v2/x", "/one/api/a", "/v2/x/a")]
    // Escapes stay as they came, also in what is compared decoded.
    [InlineData("/pay/**", "prefix: /", "/p%61y/a%2fb%20c", "/a%2fb%20c")]
    // Templates.
    [InlineData("\"/users/{id}/orders/{order}\"", "path: \"/orders/{order}/of-{id}.json\"", "/users/7%2F/orders/x;y", "/orders/x;y/of-7%2F.json")]
    [InlineData("/pay/**", "path: \"/v2{rest}\"", "/pay/a", "/v2/a")]
    [InlineData("/pay/**", "path: \"{rest}\"", "/pay", "/")]
    [InlineData("/pay/**", "path: \"/all{path}/end\"", "/pay/a", "/all/pay/a/end")]
    [InlineData("/pay/**", "path: /one", "/pay/a", "/one")]
    [InlineData("/**", "path: \"/x{path}\"", "http://shop.example", "/x/")]
    public void The_path_is_made_from_the_bytes_as_they_came(string match, string rewrite, string target, string expected)
    {
        Assert.Equal(HttpFault.None, Write(match, rewrite, target, out var path));
        Assert.Equal(expected, path);
    }

    [Theory]
    // What was no dot segment becomes one.
    [InlineData("\"/a/{name}\"", "path: \"/b/.{name}\"", "/a/;x", nameof(HttpFault.DotSegment))]
    [InlineData("\"/a/{name}\"", "path: \"/b/{name}.\"", "/a/%2e%2e%2e", nameof(HttpFault.None))]
    // A host that hides behind the prefix.
    [InlineData("/pay/**", "prefix: /", "/pay//evil.example/x", nameof(HttpFault.BadTarget))]
    [InlineData("/pay/**", "path: \"{rest}\"", "/pay//evil.example/x", nameof(HttpFault.BadTarget))]
    [InlineData("/**", "path: \"{path}\"", "//as/it/came", nameof(HttpFault.None))]
    public void What_is_no_target_for_the_guard_is_a_fault(string match, string rewrite, string target, string expected)
    {
        Assert.Equal(expected, Model(match, rewrite).WritePath(Heads.Get(target), new byte[256], out _).ToString());
    }

    [Fact]
    public void The_host_is_the_one_that_the_file_says_or_that_of_the_endpoint()
    {
        Assert.Equal("orders.internal:81", Heads.Text(Model("/**", "host: Orders.Internal:81").Host("10.0.0.1:80"u8)));
        Assert.Equal("10.0.0.1:80", Heads.Text(Model("/**", "host: \"{endpoint}\"").Host("10.0.0.1:80"u8)));
        Assert.False(Model("/**", "prefix: /a").ChangesHost);
        Assert.False(Model("/**", "host: a").ChangesPath);
    }

    [Fact]
    public void Explain_shows_target_and_host()
    {
        var head = Heads.Get("/pay/a?q=1");
        Assert.Equal(HttpFault.None, Model("/pay/**", "prefix: /v2, host: \"{endpoint}\"").Describe(head, out var target, out var host));
        Assert.Equal("/v2/a?q=1", target);
        Assert.Equal("that of the endpoint", host);
    }

    private static HttpFault Write(string match, string rewrite, string target, out string path)
    {
        var model = Model(match, rewrite);
        var head = Heads.Get(target);
        var buffer = new byte[model.MaxLength(head)];
        var fault = model.WritePath(head, buffer, out var length);
        path = Heads.Text(buffer.AsSpan(0, length));
        return fault;
    }

    private static RewriteModel Model(string match, string rewrite)
    {
        var config = Yaml.Good($$"""
            {{Yaml.Edge}}
            services: { one: { endpoints: [127.0.0.1:7001] } }
            routes: [ { match: { path: {{match}} }, service: one, rewrite: { {{rewrite}} } } ]
            """);
        return RouteTable.Build(config.Routes).Routes[0].Rewrite!;
    }
}
