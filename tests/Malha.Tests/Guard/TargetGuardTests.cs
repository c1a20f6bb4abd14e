using Malha.Proxy.Http1;
using Malha.Tests.Http1;

namespace Malha.Tests.Guard;

public sealed class TargetGuardTests
{
    [Theory]
    [InlineData("/", "/", "")]
    [InlineData("/a/b.c/", "/a/b.c/", "")]
    [InlineData("/a?b=c?d/..", "/a", "?b=c?d/..")]
    [InlineData("/?", "/", "?")]
    [InlineData("//a//b", "//a//b", "")]
    [InlineData("/a%2fb%2Fc", "/a%2fb%2Fc", "")]
    [InlineData("/a%20b%C3%A9%ff", "/a%20b%C3%A9%ff", "")]
    [InlineData("/a%0d%0aX:y/%09%7f", "/a%0d%0aX:y/%09%7f", "")]
    [InlineData("/%25%32%65", "/%25%32%65", "")]
    [InlineData("/%252e%252e/", "/%252e%252e/", "")]
    [InlineData("/...", "/...", "")]
    [InlineData("/..a/.b/c../d.", "/..a/.b/c../d.", "")]
    [InlineData("/a..b/%2e%2e%2e/%2ea", "/a..b/%2e%2e%2e/%2ea", "")]
    [InlineData("/a;v=1/;..", "/a;v=1/;..", "")]
    [InlineData("/a%5cb", "/a%5cb", "")]
    [InlineData("/a%0d%0aX:y%09%7f%1b", "/a%0d%0aX:y%09%7f%1b", "")]
    [InlineData("/a?x=%", "/a", "?x=%")]
    [InlineData("/a?x=%00\\", "/a", "?x=%00\\")]
    [InlineData("/\"<>^`{|}", "/\"<>^`{|}", "")]
    [InlineData("http://h", "", "")]
    [InlineData("http://h?q", "", "?q")]
    [InlineData("HTTP://h:80/a?b", "/a", "?b")]
    [InlineData("https://h/", "/", "")]
    public void A_target_that_every_hop_reads_alike_passes_as_it_is(string target, string path, string query)
    {
        var head = Heads.Get(target, "h");
        Assert.Equal(path, Heads.Text(head.Bytes(head.Path)));
        Assert.Equal(query, Heads.Text(head.Bytes(head.Query)));
        Assert.False(head.IsAsterisk);
    }

    [Theory]
    // Dot segments, in all their clothes.
    [InlineData("/..", nameof(HttpFault.DotSegment))]
    [InlineData("/.", nameof(HttpFault.DotSegment))]
    [InlineData("/a/../b", nameof(HttpFault.DotSegment))]
    [InlineData("/a/./b", nameof(HttpFault.DotSegment))]
    [InlineData("/a/..?q", nameof(HttpFault.DotSegment))]
    [InlineData("/%2e", nameof(HttpFault.DotSegment))]
    [InlineData("/%2E%2e/x", nameof(HttpFault.DotSegment))]
    [InlineData("/.%2e/x", nameof(HttpFault.DotSegment))]
    [InlineData("/a/..%2fb", nameof(HttpFault.DotSegment))]
    [InlineData("/a%2f..", nameof(HttpFault.DotSegment))]
    [InlineData("/a%2F%2E%2E%2Fb", nameof(HttpFault.DotSegment))]
    [InlineData("/a/..%5cb", nameof(HttpFault.DotSegment))]
    [InlineData("/a%5c..%5cb", nameof(HttpFault.DotSegment))]
    [InlineData("/..;/a", nameof(HttpFault.DotSegment))]
    [InlineData("/a/.;x=y/b", nameof(HttpFault.DotSegment))]
    [InlineData("/a/..%3b/b", nameof(HttpFault.DotSegment))]
    [InlineData("/a//../b", nameof(HttpFault.DotSegment))]
    [InlineData("http://h/../a", nameof(HttpFault.DotSegment))]
    // Escapes that are none, or stand for what no path may hold.
    [InlineData("/%", nameof(HttpFault.BadPercentEncoding))]
    [InlineData("/%4", nameof(HttpFault.BadPercentEncoding))]
    [InlineData("/%zz", nameof(HttpFault.BadPercentEncoding))]
    [InlineData("/%4/a", nameof(HttpFault.BadPercentEncoding))]
    [InlineData("/a%?41", nameof(HttpFault.BadPercentEncoding))]
    [InlineData("/%u002e", nameof(HttpFault.BadPercentEncoding))]
    [InlineData("/%00", nameof(HttpFault.BadPercentEncoding))]
    [InlineData("/a%00.txt", nameof(HttpFault.BadPercentEncoding))]
    // Bytes and forms.
    [InlineData("/a\\b", nameof(HttpFault.BadTarget))]
    [InlineData("/..\\b", nameof(HttpFault.BadTarget))]
    [InlineData("/a#b", nameof(HttpFault.BadTarget))]
    [InlineData("/a?b#c", nameof(HttpFault.BadTarget))]
    [InlineData("http://h#f", nameof(HttpFault.BadTarget))]
    [InlineData("a", nameof(HttpFault.BadTarget))]
    [InlineData("?q", nameof(HttpFault.BadTarget))]
    [InlineData("*", nameof(HttpFault.BadTarget))]
    [InlineData("**", nameof(HttpFault.BadTarget))]
    [InlineData("*/a", nameof(HttpFault.BadTarget))]
    [InlineData("h:80", nameof(HttpFault.BadTarget))]
    [InlineData("http://", nameof(HttpFault.BadTarget))]
    [InlineData("http:/a", nameof(HttpFault.BadTarget))]
    [InlineData("http:a", nameof(HttpFault.BadTarget))]
    [InlineData("ftp://h/", nameof(HttpFault.BadTarget))]
    [InlineData("ws://h/", nameof(HttpFault.BadTarget))]
    [InlineData("javascript:x", nameof(HttpFault.BadTarget))]
    public void A_target_that_hops_read_differently_is_refused(string target, string fault)
    {
        Heads.Guarded($"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n", out var found);
        Assert.Equal(Enum.Parse<HttpFault>(fault), found);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("http://h")]
    public void The_asterisk_is_for_options(string target)
    {
        var head = Heads.Request("OPTIONS", target, "Host: h");
        Assert.True(head.IsAsterisk);
        Assert.True(head.Path.IsEmpty);
    }

    [Fact]
    public void Options_of_a_path_are_not_those_of_the_server() => Assert.False(Heads.Request("OPTIONS", "http://h/", "Host: h").IsAsterisk);

    [Theory]
    [InlineData("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n")]
    [InlineData("CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n")]
    public void Connect_is_refused(string text)
    {
        Heads.Guarded(text, out var fault);
        Assert.Equal(HttpFault.ConnectRefused, fault);
        Assert.Equal(405, fault.Status());
    }
}
