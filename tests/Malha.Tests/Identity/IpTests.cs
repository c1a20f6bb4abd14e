using System.Net;
using System.Text;
using CsCheck;
using Malha.Proxy.Identity;

namespace Malha.Tests.Identity;

public sealed class IpTests
{
    private static readonly Gen<byte[]> Bytes = Gen.OneOf(
        Gen.Byte.Array[4],
        Gen.Byte.Array[16],
        // Runs of zeros, which are what the short form is about.
        Gen.OneOf(Gen.Const((byte)0), Gen.Byte).Array[16]);

    [Fact]
    public void What_the_runtime_writes_is_read_as_the_same_address() =>
        Bytes.Sample(
            bytes =>
            {
                var address = new IPAddress(bytes);
                return Ip.TryParse(Encoding.ASCII.GetBytes(address.ToString()), out var ip) && ip == Ip.Of(address)
                    && ip.ToString() == (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString();
            },
            seed: "0N0XIzNsQ0O2",
            iter: 20_000);

    [Fact]
    public void Nothing_is_read_that_the_runtime_does_not_read_likewise() =>
        Gen.Char["0123456789abcdef:.:.:"].Array[0, 24].Sample(
            letters =>
            {
                var text = new string(letters);
                return !Ip.TryParse(Encoding.ASCII.GetBytes(text), out var ip) || (IPAddress.TryParse(text, out var address) && Ip.Of(address) == ip);
            },
            seed: "0N0XIzNsQ0O2",
            iter: 200_000);

    [Theory]
    [InlineData("::", "::")]
    [InlineData("::1", "::1")]
    [InlineData("1::", "1::")]
    [InlineData("2001:DB8::7", "2001:db8::7")]
    [InlineData("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8")]
    [InlineData("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0")]
    [InlineData("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8")]
    [InlineData("::ffff:192.0.2.7", "192.0.2.7")]
    [InlineData("64:ff9b::192.0.2.7", "64:ff9b::c000:207")]
    public void Forms_of_addresses_are_read(string text, string expected)
    {
        Assert.True(Ip.TryParse(Encoding.ASCII.GetBytes(text), out var ip));
        Assert.Equal(expected, ip.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.4.5")]
    [InlineData("1.2.3.256")]
    [InlineData("01.2.3.4")]
    [InlineData("1.2.3.")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("127.1")]
    [InlineData(":")]
    [InlineData(":::")]
    [InlineData("1:")]
    [InlineData(":1")]
    [InlineData("1::2::3")]
    [InlineData("1:2:3:4:5:6:7:8:9")]
    [InlineData("1:2:3:4:5:6:7:8::")]
    [InlineData("12345::")]
    [InlineData("fe80::1%eth0")]
    [InlineData("::1.2.3")]
    [InlineData("unknown")]
    [InlineData("1.2.3.4 ")]
    public void What_is_no_address_is_not_read(string text) => Assert.False(Ip.TryParse(Encoding.ASCII.GetBytes(text), out _));

    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7")]
    [InlineData("192.0.2.7:4711", "192.0.2.7")]
    [InlineData("[2001:db8::1]", "2001:db8::1")]
    [InlineData("[2001:db8::1]:80", "2001:db8::1")]
    [InlineData("2001:db8::1", "2001:db8::1")]
    [InlineData("192.0.2.7:", null)]
    [InlineData("192.0.2.7:x", null)]
    [InlineData("[2001:db8::1", null)]
    [InlineData("[2001:db8::1]x", null)]
    [InlineData("[192.0.2.7]", null)]
    [InlineData("_hidden", null)]
    public void A_node_may_have_a_port(string text, string? expected)
    {
        Assert.Equal(expected is not null, Ip.TryParseNode(Encoding.ASCII.GetBytes(text), out var ip));
        Assert.Equal(expected ?? "::", ip.ToString());
    }

    [Fact]
    public void An_IPv6_customer_is_a_64_and_an_IPv4_one_an_address()
    {
        Assert.Equal(Read("2001:db8:0:1::7").Scope, Read("2001:db8:0:1:ffff::").Scope);
        Assert.NotEqual(Read("2001:db8:0:1::7").Scope, Read("2001:db8:0:2::7").Scope);
        Assert.NotEqual(Read("192.0.2.7").Scope, Read("192.0.2.8").Scope);
        Assert.NotEqual(Read("::1").Scope, Read("127.0.0.1").Scope);
    }

    internal static Ip Read(string text) => Ip.TryParse(Encoding.ASCII.GetBytes(text), out var ip) ? ip : throw new ArgumentException(text);
}
