using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Tests.Http1;

namespace Malha.Tests.Guard;

public sealed class HostGuardTests
{
    [Theory]
    [InlineData("shop.example")]
    [InlineData("SHOP.example:8080")]
    [InlineData("shop.example.")]
    [InlineData("a_b.example")]
    [InlineData("a!$&'()*+;=b")]
    [InlineData("xn--caf-dma.example")]
    [InlineData("127.0.0.1:1")]
    [InlineData("h:")]
    [InlineData("h:00080")]
    [InlineData("h:65535")]
    [InlineData("a;b=c$d")]
    [InlineData("[::1]")]
    [InlineData("[::1]:8080")]
    [InlineData("[2001:DB8::1:2]:443")]
    [InlineData("[::ffff:127.0.0.1]")]
    public void A_name_or_an_address_with_an_optional_port_is_a_host(string host)
    {
        Assert.True(HostGuard.IsAuthority(Heads.Bytes(host)));
        var head = Heads.Get("/", host);
        Assert.Equal(host, Heads.Text(head.Bytes(head.Authority)));
    }

    [Theory]
    [InlineData("user@h")]
    [InlineData("user:secret@h")]
    [InlineData("@h")]
    [InlineData("h/path")]
    [InlineData("h?q")]
    [InlineData("h#f")]
    [InlineData("h\\x")]
    [InlineData("http://h")]
    [InlineData("a b")]
    [InlineData("a,b")]
    [InlineData("h%20")]
    [InlineData("h%2e")]
    [InlineData("caf\u00e9")]
    [InlineData(":80")]
    [InlineData("h:80:80")]
    [InlineData("h:80a")]
    [InlineData("h:+80")]
    [InlineData("h: 80")]
    [InlineData("h:65536")]
    [InlineData("h:000080")]
    [InlineData("::1")]
    [InlineData("[]")]
    [InlineData("[::1")]
    [InlineData("::1]")]
    [InlineData("[::1]x")]
    [InlineData("[::1]:x")]
    [InlineData("[::1]]")]
    [InlineData("[:::1]")]
    [InlineData("[::g]")]
    [InlineData("[fe80::1%eth0]")]
    [InlineData("[fe80::1%251]")]
    [InlineData("[1.2.3.4]")]
    [InlineData("[12]")]
    [InlineData("[beef]")]
    [InlineData("[v1.x]")]
    [InlineData("[1:2:3:4:5:6:7:8:9]")]
    public void Anything_else_is_none(string host)
    {
        Assert.False(HostGuard.IsAuthority(Heads.Bytes(host)));
        Heads.Guarded($"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", out var fault);
        Assert.Equal(HttpFault.BadHost, fault);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n", nameof(HttpFault.MissingHost))]
    [InlineData("GET http://h/ HTTP/1.1\r\n\r\n", nameof(HttpFault.MissingHost))]
    [InlineData("GET / HTTP/1.1\r\nHost:\r\n\r\n", nameof(HttpFault.MissingHost))]
    [InlineData("GET / HTTP/1.1\r\nHost: \t\r\n\r\n", nameof(HttpFault.MissingHost))]
    [InlineData("GET / HTTP/1.0\r\nHost:\r\n\r\n", nameof(HttpFault.MissingHost))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", nameof(HttpFault.SecondHost))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", nameof(HttpFault.SecondHost))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX-Y: z\r\nHost:\r\n\r\n", nameof(HttpFault.SecondHost))]
    [InlineData("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", nameof(HttpFault.ContradictingHost))]
    [InlineData("GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HttpFault.ContradictingHost))]
    [InlineData("GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n", nameof(HttpFault.ContradictingHost))]
    [InlineData("GET http://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n", nameof(HttpFault.ContradictingHost))]
    [InlineData("GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", nameof(HttpFault.ContradictingHost))]
    [InlineData("GET http://a/ HTTP/1.1\r\nHost: b@a\r\n\r\n", nameof(HttpFault.BadHost))]
    [InlineData("GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HttpFault.BadHost))]
    [InlineData("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HttpFault.BadHost))]
    public void A_request_names_one_host(string text, string fault)
    {
        Heads.Guarded(text, out var found);
        Assert.Equal(Enum.Parse<HttpFault>(fault), found);
    }

    [Theory]
    [InlineData("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "a")]
    [InlineData("GET http://A/ HTTP/1.1\r\nHost: a\r\n\r\n", "A")]
    [InlineData("GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", "a")]
    [InlineData("GET http://a:80/ HTTP/1.1\r\nHost: a:\r\n\r\n", "a:80")]
    [InlineData("GET https://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n", "a:443")]
    [InlineData("GET http://[::1]:80/ HTTP/1.1\r\nHost: [::1]\r\n\r\n", "[::1]:80")]
    [InlineData("GET http://a/ HTTP/1.0\r\n\r\n", "a")]
    [InlineData("GET / HTTP/1.0\r\n\r\n", "")]
    public void The_targets_host_counts_and_agrees_with_the_field(string text, string authority)
    {
        var head = Heads.Guarded(text, out var fault);
        Assert.Equal(HttpFault.None, fault);
        Assert.Equal(authority, Heads.Text(head.Bytes(head.Authority)));
    }
}
