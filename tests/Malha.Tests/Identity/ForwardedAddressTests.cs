using System.Net;
using System.Text;
using Malha.Proxy.Http1;
using Malha.Proxy.Identity;

namespace Malha.Tests.Identity;

/// <summary>Who the client is when the peer is a proxy that is trusted: 10.0.0.0/8 and fd00::/8.</summary>
public sealed class ForwardedAddressTests
{
    private static readonly NetworkTable Trusted = new([IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("fd00::/8")]);

    [Theory]
    [InlineData("203.0.113.7", "X-Forwarded-For: 203.0.113.7")]
    [InlineData("198.51.100.2", "X-Forwarded-For: 203.0.113.7, 198.51.100.2")]
    [InlineData("203.0.113.7", "X-Forwarded-For: 203.0.113.7, 10.0.0.9, fd00::1")]
    [InlineData("198.51.100.2", "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.2, 10.0.0.9")]
    [InlineData("198.51.100.2", "X-Forwarded-For: not an address, 198.51.100.2")]
    [InlineData("10.0.0.8", "X-Forwarded-For: 10.0.0.8, 10.0.0.9")]
    [InlineData("203.0.113.7", "X-Forwarded-For: 203.0.113.7:5000 ,, ")]
    [InlineData("2001:db8::7", "X-Forwarded-For: [2001:db8::7]:5000")]
    [InlineData("203.0.113.7", "Forwarded: for=203.0.113.7;proto=https;by=10.0.0.1")]
    [InlineData("2001:db8::7", "Forwarded: proto=https ; FOR=\"[2001:db8::7]:80\", for=10.0.0.9")]
    [InlineData("198.51.100.2", "Forwarded: host=\"a,b\";for=203.0.113.7, host=\"x, for=1.2.3.4\";for=198.51.100.2")]
    [InlineData("203.0.113.7", "X-Forwarded-For: 203.0.113.7\r\nForwarded: for=203.0.113.7")]
    [InlineData("10.0.0.1", "X-Other: a")]
    [InlineData("10.0.0.1", "X-Forwarded-For: ")]
    public void The_rightmost_hop_that_is_no_trusted_proxy_is_the_client(string expected, string fields)
    {
        Assert.True(Find(fields, out var client));
        Assert.Equal(expected, client.ToString());
    }

    [Theory]
    [InlineData("X-Forwarded-For: 203.0.113.7, unknown")]
    [InlineData("X-Forwarded-For: 203.0.113.7, unknown, 10.0.0.9")]
    [InlineData("Forwarded: for=_hidden")]
    [InlineData("Forwarded: proto=https")]
    [InlineData("Forwarded: for=203.0.113.7;for=198.51.100.2")]
    [InlineData("Forwarded: for=\"203.0.113.7")]
    [InlineData("X-Forwarded-For: 203.0.113.7\r\nForwarded: for=198.51.100.2")]
    public void What_is_not_clear_is_said_to_be_so_and_stays_with_the_peer(string fields)
    {
        Assert.False(Find(fields, out var client));
        Assert.Equal("10.0.0.1", client.ToString());
    }

    private static bool Find(string fields, out Ip client)
    {
        var bytes = Encoding.Latin1.GetBytes($"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        var head = new RequestHead();
        Assert.Equal(ParseStatus.Complete, HeadParser.ParseRequest(bytes, head, new HeadLimits(8192, 100)));
        head.Attach(bytes, 0);
        return ForwardedAddress.TryFind(head, IpTests.Read("10.0.0.1"), Trusted, out client);
    }
}
