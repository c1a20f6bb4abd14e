using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class RedirectTargetTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("/new{path}")]
    [InlineData("/new?{query}")]
    [InlineData("https://shop.example")]
    [InlineData("https://shop.example{path}{query}")]
    [InlineData("http://shop.example:8080/x#y")]
    [InlineData("https://{host}")]
    [InlineData("https://{host}{path}{query}")]
    [InlineData("https://{host}:8443{path}")]
    [InlineData("https://[::1]:8443{path}")]
    [InlineData("https://shop.example/from/{host}{path}")]
    public void A_target_is_read(string text)
    {
        Assert.True(RedirectTarget.TryParse(text, out var target, out _));
        Assert.Equal(text, string.Concat(target.Parts.Select(part => part.Kind switch
        {
            RedirectPartKind.Host => "{host}",
            RedirectPartKind.Path => "{path}",
            RedirectPartKind.Query => "{query}",
            _ => part.Text,
        })));
    }

    [Theory]
    [InlineData("")]
    [InlineData("new")]
    [InlineData("//evil.example")]
    [InlineData("/\\evil.example")]
    [InlineData("/{path}")]
    [InlineData("/{query}")]
    [InlineData("{path}")]
    [InlineData("{host}{path}")]
    [InlineData("https://{path}")]
    [InlineData("https://{query}")]
    [InlineData("https:///x")]
    [InlineData("https://shop{host}/")]
    [InlineData("https://{host}.example/")]
    [InlineData("https://{host}{host}/")]
    [InlineData("https://user:secret@shop.example/")]
    [InlineData("https://{host}@evil.example/")]
    [InlineData("https://shop.example:99999/")]
    [InlineData("javascript:alert(1)")]
    [InlineData("ftp://shop.example")]
    [InlineData("/a b")]
    [InlineData("/a\r\nSet-Cookie: x")]
    [InlineData("/é")]
    [InlineData("/{id}")]
    [InlineData("/{path")]
    [InlineData("/path}")]
    public void What_a_client_could_bend_or_no_browser_could_follow_is_refused(string text)
    {
        Assert.False(RedirectTarget.TryParse(text, out _, out var problem));
        Assert.NotEmpty(problem);
    }
}
