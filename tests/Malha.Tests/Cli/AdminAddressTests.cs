using Malha.Cli.Admin;
using Malha.ControlPlane.Api;

namespace Malha.Tests.Cli;

public sealed class AdminAddressTests
{
    private readonly List<string> _told = [];

    // Tokens of tests do not belong into the home directory.
    static AdminAddressTests() => Environment.SetEnvironmentVariable("XDG_RUNTIME_DIR", Directory.CreateTempSubdirectory("malha-tests-").FullName);

    [Theory]
    [InlineData("127.0.0.1:9700", "http://127.0.0.1:9700/")]
    [InlineData("http://gateway.example:9700", "http://gateway.example:9700/")]
    [InlineData("https://gateway.example", "https://gateway.example/")]
    [InlineData("[::1]:9700", "http://[::1]:9700/")]
    public async Task What_is_given_goes_before_the_variable(string given, string url)
    {
        var found = await FindAsync(given, ("MALHA_ADMIN", "127.0.0.1:1"), ("MALHA_TOKEN", "t"));
        Assert.Equal((url, "t"), (found!.Url.ToString(), found.Token));
    }

    [Fact]
    public async Task The_variable_is_used_when_nothing_is_given() =>
        Assert.Equal("http://127.0.0.1:1234/", (await FindAsync(null, ("MALHA_ADMIN", "127.0.0.1:1234")))!.Url.ToString());

    [Theory]
    [InlineData("")]
    [InlineData("no address")]
    [InlineData("ftp://gateway:9700")]
    [InlineData("http://user:pass@gateway:9700")]
    [InlineData("http://gateway:9700/api")]
    [InlineData("127.0.0.1:99999")]
    public async Task What_is_no_address_is_told(string given)
    {
        if (given.Length > 0)
            Assert.Null(await FindAsync(given));
        Assert.Null(await FindAsync(null, ("MALHA_ADMIN", "127.0.0.1:x")));
        Assert.All(_told, problem => Assert.Contains("is no address", problem, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_token_file_of_this_machine_leads_to_its_gateway_and_is_not_shown_to_another()
    {
        Assert.Equal(("http://localhost:9700/", null), Told(await FindAsync(null)));
        using var first = AdminTokenFile.Write(AdminTokenFile.PathFor(4001), out _)!;
        var token = AdminTokenFile.Read(4001)!;
        Assert.Equal(("http://localhost:4001/", token), Told(await FindAsync(null)));
        Assert.Equal(("http://[::1]:4001/", token), Told(await FindAsync("[::1]:4001")));
        Assert.Equal(("http://gateway.example:4001/", null), Told(await FindAsync("gateway.example:4001")));
        Assert.Equal(("http://gateway.example:4001/", "t"), Told(await FindAsync("gateway.example:4001", ("MALHA_TOKEN", "t"))));

        // Two gateways: the one that answers, or a question.
        using var second = AdminTokenFile.Write(AdminTokenFile.PathFor(4002), out _)!;
        Assert.Equal("http://localhost:4002/", Told(await AdminAddress.FindAsync(null, _ => null, url => Task.FromResult(url.Port == 4002), _told.Add)).Url);
        Assert.Null(await FindAsync(null));
        Assert.Equal("several gateways run here; say which: --admin localhost:4001, --admin localhost:4002", Assert.Single(_told));
    }

    private static (string Url, string? Token) Told(AdminAddress? address) => (address!.Url.ToString(), address.Token);

    private Task<AdminAddress?> FindAsync(string? given, params (string Name, string Value)[] variables) => AdminAddress.FindAsync(
        given, name => Array.Find(variables, variable => variable.Name == name).Value, _ => Task.FromResult(true), _told.Add);
}
