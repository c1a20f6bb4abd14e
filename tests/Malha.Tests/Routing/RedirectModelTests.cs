using Malha.Configuration;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Tests.Http1;

namespace Malha.Tests.Routing;

public sealed class RedirectModelTests
{
    [Theory]
    [InlineData("https://{host}{path}{query}", "/a/b?x=1", "https://shop.example/a/b?x=1")]
    [InlineData("https://{host}:8443{path}", "/a", "https://shop.example:8443/a")]
    [InlineData("https://other.example{path}{query}", "/", "https://other.example/")]
    [InlineData("/new{path}", "/a%20b", "/new/a%20b")]
    [InlineData("/new", "/a?x", "/new")]
    // What no URL may hold is escaped; escapes stay, and a lone percent sign becomes one.
    [InlineData("/new{path}{query}", "/a\"<>|^`{}b?x=\"<>\\'", "/new/a%22%3C%3E%7C%5E%60%7B%7Db?x=%22%3C%3E%5C'")]
    [InlineData("/new{path}", "/a%0d%0aSet-Cookie:x", "/new/a%0d%0aSet-Cookie:x")]
    [InlineData("/new{query}", "/?a=%41%0d%0aSet-Cookie:x", "/new?a=%41%0d%0aSet-Cookie:x")]
    [InlineData("/new{query}", "/?a=100%&b=%4", "/new?a=100%25&b=%254")]
    // A path of two slashes stays behind the host that the operator chose.
    [InlineData("https://other.example{path}", "//evil.example/x", "https://other.example//evil.example/x")]
    // In a query, what a client sends is one value and no more.
    [InlineData("/login?next={path}", "/a&admin=1/b%26c=d", "/login?next=/a%26admin%3D1/b%2526c%3Dd")]
    [InlineData("/login?next={path}{query}", "/a?x=1&y=+", "/login?next=/a%3Fx%3D1%26y%3D%2B")]
    [InlineData("/#{path}", "/a?", "/#/a")]
    public void Placeholders_are_filled_and_kept_inside_their_place(string to, string target, string expected) =>
        Assert.Equal(expected, Write(to, Heads.Get(target, "shop.example:8080")));

    [Theory]
    [InlineData("[::1]:8080", "https://[::1]/a")]
    [InlineData("SHOP.example", "https://SHOP.example/a")]
    [InlineData("shop.example.:80", "https://shop.example./a")]
    public void The_host_comes_without_its_port(string host, string expected) => Assert.Equal(expected, Write("https://{host}{path}", Heads.Get("/a", host)));

    [Fact]
    public void A_request_without_path_is_sent_to_the_root() => Assert.Equal("/x/?q", Write("/x{path}{query}", Heads.Get("http://h?q", "h")));

    [Fact]
    public void A_target_that_needs_a_host_is_not_written_without_one()
    {
        var head = Heads.Guarded("GET /a HTTP/1.0\r\n\r\n", out _);
        Assert.Equal("", Write("https://{host}{path}", head));
        Assert.Equal("/b/a", Write("/b{path}", head));
    }

    private static string Write(string to, RequestHead head)
    {
        Assert.True(RedirectTarget.TryParse(to, out var target, out var problem), problem);
        var model = new RedirectModel(new RedirectConfig { To = target, Status = 308 });
        Assert.Equal(308, model.Status);
        var buffer = new byte[model.MaxLength(head)];
        return Heads.Text(buffer.AsSpan(0, model.Write(head, buffer)));
    }
}
