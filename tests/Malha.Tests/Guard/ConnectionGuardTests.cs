using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Tests.Http1;

namespace Malha.Tests.Guard;

public sealed class ConnectionGuardTests
{
    [Theory]
    [InlineData("", "None", false)]
    [InlineData(" , ,", "None", false)]
    [InlineData("close", "Close", false)]
    [InlineData("CLOSE", "Close", false)]
    [InlineData("keep-alive,\tUpgrade", "KeepAlive, Upgrade", false)]
    [InlineData("x-hop, close", "Close", true)]
    [InlineData("TE", "None", true)]
    [InlineData("closed", "None", true)]
    public void Options_are_read_in_any_case(string value, string options, bool nominates)
    {
        var (fault, found, head) = Inspect(value);
        Assert.Equal(HttpFault.None, fault);
        Assert.Equal(options, found.ToString());
        Assert.Equal(nominates, head.NominatesFields);
    }

    [Theory]
    [InlineData("Host")]
    [InlineData("content-length")]
    [InlineData("Transfer-Encoding")]
    [InlineData("close, content-type")]
    [InlineData("Authorization")]
    [InlineData("X-Api-Key")]
    [InlineData("connection")]
    [InlineData("Expect")]
    [InlineData("Date")]
    [InlineData("Forwarded")]
    [InlineData("X-Forwarded-For")]
    [InlineData("X-Forwarded-Host")]
    [InlineData("X-Forwarded-Proto")]
    [InlineData("Via")]
    [InlineData("a b")]
    [InlineData("\"close\"")]
    [InlineData("close;q=1")]
    [InlineData("a, b:c")]
    [InlineData("caf\u00e9")]
    public void A_field_that_the_next_hop_needs_cannot_be_talked_away(string value) => Assert.Equal(HttpFault.BadConnectionOption, Inspect(value).Fault);

    [Fact]
    public void A_nominated_field_is_found_again()
    {
        var head = Heads.Get("/", "h", "Connection: close, X-Hop", "X-Hop: 1", "connection: x-other");
        Assert.True(head.NominatesFields);
        Assert.True(head.IsNominated("x-hop"u8));
        Assert.True(head.IsNominated("X-OTHER"u8));
        Assert.False(head.IsNominated("x-ho"u8));
    }

    private static (HttpFault Fault, ConnectionOptions Options, RequestHead Head) Inspect(string value)
    {
        var head = new RequestHead();
        var options = ConnectionOptions.None;
        return (ConnectionGuard.Inspect(Heads.Bytes(value), head, ref options), options, head);
    }
}
