using System.Text;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Tests.Telemetry;

public sealed class SecretQueryTests
{
    [Theory]
    [InlineData("/a?token=abc&x=1", "/a?token=***&x=1")]
    [InlineData("/a?x=1&access_token=abc", "/a?x=1&access_token=***")]
    [InlineData("/a?apiKey=1;API_KEY=2&x-api-key=3", "/a?apiKey=***;API_KEY=***&x-api-key=***")]
    [InlineData("/a?key=v&api.key=v&keys[]=v", "/a?key=***&api.key=***&keys[]=***")]
    [InlineData("/a?X-Amz-Signature=ff&X-Amz-Date=2026&X-Amz-Credential=id", "/a?X-Amz-Signature=***&X-Amz-Date=2026&X-Amz-Credential=***")]
    [InlineData("/a?sv=1&sig=abc%3D&se=2", "/a?sv=1&sig=***&se=2")]
    [InlineData("/a?Password=p&passwd=p&pwd=p&clientSecret=s&code=c", "/a?Password=***&passwd=***&pwd=***&clientSecret=***&code=***")]
    [InlineData("/a?%74oken=abc&to%6Ben=x", "/a?%74oken=***&to%6Ben=***")]
    [InlineData("/a?sessionId=9&sid=9", "/a?sessionId=***&sid=***")]
    [InlineData("/a?token=a=b?c", "/a?token=***")]
    [InlineData("/a?token=&token", "/a?token=&token")]
    [InlineData("/a?keyboard=qwerty&monkey=1&design=x&postcode=1&passenger=y&authors=z", "/a?keyboard=qwerty&monkey=1&design=x&postcode=1&passenger=y&authors=z")]
    [InlineData("/a@b/c?q=x@y", "/a@b/c?q=x@y")]
    [InlineData("http://user:pw@shop.example/a?x=1", "http://***@shop.example/a?x=1")]
    [InlineData("http://shop.example/a@b", "http://shop.example/a@b")]
    [InlineData("user:pw@shop.example:443", "***@shop.example:443")]
    [InlineData("http://user:pw@shop.example", "http://***@shop.example")]
    public void Secrets_are_masked_and_the_rest_is_kept(string target, string expected)
    {
        var bytes = Encoding.Latin1.GetBytes(target);
        var buffer = new byte[1024];
        Assert.Equal(expected, Encoding.Latin1.GetString(buffer, 0, SecretQuery.Copy(bytes, buffer)));
        Assert.True(target == expected || SecretQuery.IsSuspect(bytes));
    }

    [Fact]
    public void A_name_too_long_to_look_into_is_masked()
    {
        var buffer = new byte[1024];
        var bytes = Encoding.Latin1.GetBytes($"/?{new string('n', 300)}=secret");
        Assert.DoesNotContain("secret", Encoding.Latin1.GetString(buffer, 0, SecretQuery.Copy(bytes, buffer)), StringComparison.Ordinal);
    }

    [Fact]
    public void What_finds_no_room_is_left_out()
    {
        var buffer = new byte[10];
        Assert.Equal(10, SecretQuery.Copy("/a?token=abcdefgh&x=1"u8, buffer));
        Assert.Equal("/a?token=*", Encoding.Latin1.GetString(buffer));
    }
}
