using Malha.Configuration;

namespace Malha.Tests.Configuration;

/// <summary>Endpoints that are data stores: what their URLs say, and that their passwords show nowhere.</summary>
public sealed class DataStoreTests
{
    [Theory]
    [InlineData("postgres://malha:p%2Fw%23@db.example/orders", "postgres://db.example:5432/orders", "malha", "p/w#")]
    [InlineData("postgresql://db.example:6000", "postgres://db.example:6000/", null, null)]
    [InlineData("postgres://o%40x@[::1]:1/a", "postgres://[::1]:1/a", "o@x", null)]
    [InlineData("redis://cache", "redis://cache:6379/", null, null)]
    [InlineData("redis://:hush@cache:1", "redis://cache:1/", null, "hush")]
    [InlineData("rediss://me:hush@cache", "rediss://cache:6379/", "me", "hush")]
    public void A_url_is_taken_apart(string text, string url, string? user, string? password)
    {
        var endpoint = Read($"\"{text}\"");
        Assert.Equal(url, endpoint.Url.ToString());
        Assert.Equal("", endpoint.Url.UserInfo);
        Assert.Equal((user, password), (endpoint.User, endpoint.Password?.Reveal()));
        Assert.True(endpoint.IsStore);
    }

    [Theory]
    [InlineData("{ url: redis://cache, password: env:MALHA_TOKEN }")]
    [InlineData("{ password: env:MALHA_TOKEN, url: redis://cache }")]
    [InlineData("{ password: env:MALHA_TOKEN, url: \"redis://:other@cache\" }")]
    public void The_key_password_goes_before_the_urls(string endpoint) => Assert.Equal("correct-horse", Read(endpoint).Password!.Reveal());

    [Fact]
    public void A_password_is_shown_nowhere()
    {
        var config = Yaml.Good(Yaml.Edge + "services: { db: { endpoints: [\"postgres://malha:open-sesame@db.example/orders\"], health: {} } }");
        var shown = config + string.Join('\n', ConfigExplainer.List(config));
        Assert.DoesNotContain("sesame", shown, StringComparison.Ordinal);
        Assert.Contains("postgres://malha@db.example:5432/orders", shown, StringComparison.Ordinal);
        Assert.Contains("*** (url)", shown, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("postgres://malha:open-sesame@/orders")]
    [InlineData("postgres://malha:open sesame@db/orders")]
    [InlineData("redis://:open-sesame@cache/1")]
    [InlineData("postgres://malha:open-sesame@db/orders?sslmode=disable")]
    [InlineData("http://malha:open-sesame@db/")]
    public void An_error_does_not_repeat_what_may_be_a_password(string url)
    {
        var error = Yaml.Error(Yaml.Edge + $"services: {{ db: {{ endpoints: [\"{url}\"], health: {{ tcp: true }} }} }}");
        Assert.DoesNotContain("sesame", error, StringComparison.Ordinal);
    }

    private static EndpointConfig Read(string endpoint) =>
        Yaml.Good(Yaml.Edge + $"services: {{ db: {{ endpoints: [{endpoint}], health: {{}} }} }}").Services["db"].Endpoints[0];
}
