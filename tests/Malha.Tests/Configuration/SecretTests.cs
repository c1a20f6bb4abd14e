using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class SecretTests
{
    [Fact]
    public void A_secret_comes_from_the_environment_and_is_never_printed()
    {
        var config = Yaml.Good(Yaml.Edge + "admin: { token: env:MALHA_TOKEN }");
        var token = config.Admin!.Token!;
        Assert.Equal("correct-horse", token.Reveal());
        Assert.Equal("env:MALHA_TOKEN", token.Origin);
        Assert.Equal("***", token.ToString());
        Assert.DoesNotContain("correct-horse", config.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(ConfigExplainer.List(config), setting => setting.Value.Contains("correct-horse", StringComparison.Ordinal));
        Assert.DoesNotContain("correct-horse", System.Text.Json.JsonSerializer.Serialize(token), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("from-a-file", "from-a-file")]
    [InlineData("from-a-file\n", "from-a-file")]
    [InlineData("from-a-file\r\n", "from-a-file")]
    public void A_secret_comes_from_a_file_beside_the_configuration_without_its_line_break(string content, string value)
    {
        using var directory = new TemporaryDirectory();
        directory.Write("token.txt", content);
        var path = directory.Write("malha.yaml", Yaml.Edge + "admin: { token: file:token.txt }");
        var result = MalhaConfigReader.ReadFile(path);
        Assert.Equal(value, result.Config!.Admin!.Token!.Reveal());
    }

    [Theory]
    [InlineData("env:NOT_SET", "the environment variable \"NOT_SET\" is not set. Allowed: env:NAME or file:PATH")]
    [InlineData("env:EMPTY", "the environment variable \"EMPTY\" is empty. Allowed: env:NAME or file:PATH")]
    [InlineData("env:SPACED", "the secret from \"env:SPACED\" holds a space, a line break or a character that is not ASCII")]
    [InlineData("'env:'", "the environment variable \"\" is not set. Allowed: env:NAME or file:PATH")]
    [InlineData("file:nowhere", "the file \"nowhere\" cannot be read: there is no such file. Allowed: env:NAME or file:PATH")]
    [InlineData("'file:'", "file: is followed by a path. Allowed: env:NAME or file:PATH")]
    [InlineData("hunter2", "a secret is not written in clear; put it into an environment variable or a file. Allowed: env:NAME or file:PATH")]
    public void A_secret_that_cannot_be_had_is_an_error(string token, string problem) =>
        Assert.Equal($"malha.yaml:2:17: admin.token: {problem}", Yaml.Error(Yaml.Edge + $"admin: {{ token: {token} }}"));

    [Fact]
    public void A_secret_file_of_a_wrong_kind_is_an_error()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("binary", [0xff, 0xfe, 0x00]);
        directory.Write("empty", "\n");
        directory.Write("large", new byte[(1 << 20) + 1]);
        string Error(string name) => Yaml.Error(Yaml.Edge + $"admin: {{ token: file:{name} }}", directory.Path);
        Assert.Contains("the file \"binary\" is not UTF-8", Error("binary"), StringComparison.Ordinal);
        Assert.Contains("the file \"empty\" is empty", Error("empty"), StringComparison.Ordinal);
        Assert.Contains("the file \"large\" is larger than 1 MiB", Error("large"), StringComparison.Ordinal);
        Assert.Contains("it is a directory, or its permissions forbid it", Error("."), StringComparison.Ordinal);
    }

    [Fact]
    public void A_password_in_an_endpoint_is_refused_and_not_repeated()
    {
        var error = Yaml.Error(Yaml.Edge + "services: { a: { endpoints: [http://user:hunter2@127.0.0.1:7001] } }");
        Assert.DoesNotContain("hunter2", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_value_may_be_a_secret_and_is_not_printed()
    {
        var config = Yaml.Good(Yaml.Edge + """
            services: { a: { endpoints: [127.0.0.1:7001] } }
            routes: [{ service: a, headers: { request: { set: { Authorization: env:SPACED, X-Plain: shown } } } }]
            """);
        var fields = config.Routes[0].Headers.Request.Set;
        Assert.Equal(("Authorization", "correct horse", "env:SPACED"), (fields[0].Name, fields[0].Value, fields[0].SecretOrigin));
        Assert.Null(fields[1].SecretOrigin);
        Assert.DoesNotContain("correct horse", config.ToString(), StringComparison.Ordinal);
        Assert.Contains("shown", config.ToString(), StringComparison.Ordinal);
        Assert.Contains(ConfigExplainer.List(config), setting => setting is { Path: "routes[0].headers.request.set.Authorization", Value: "*** (env:SPACED)" });
    }

    [Fact]
    public void A_presented_secret_matches_only_itself()
    {
        var secret = new Secret("correct-horse", "test");
        Assert.True(secret.Matches("correct-horse"));
        Assert.False(secret.Matches("correct-hors"));
        Assert.False(secret.Matches("correct-horse "));
        Assert.False(secret.Matches(""));
        Assert.Equal(secret, new Secret("correct-horse", "elsewhere"));
        Assert.NotEqual(secret, new Secret("other", "test"));
    }
}
