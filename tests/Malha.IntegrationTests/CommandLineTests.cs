using Malha.IntegrationTests.Operations;

namespace Malha.IntegrationTests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("malha: there is no command 'no-such-command'; there are: run, check,", "no-such-command")]
    [InlineData("malha: there is no command 'opn' of 'breaker'; there are: ", "breaker", "opn", "web")]
    [InlineData("malha: Unrecognized command or argument '--no-such-option'", "top", "--no-such-option")]
    [InlineData("malha: --upstream ftp://a: an endpoint is an http:// or https:// URL\n", "run", "--upstream", "ftp://a")]
    [InlineData("malha: --upstream http://127.0.0.1:1/a: an endpoint is scheme, host and port only; a path belongs to a route\n", "run", "--upstream", "http://127.0.0.1:1/a")]
    public async Task Wrong_usage_ends_with_2_and_says_what_is_wrong(string beginning, params string[] arguments)
    {
        var told = await OperatorCommand.RunInAsync([], arguments);
        Assert.Equal((2, ""), (told.Code, told.Output));
        Assert.StartsWith(beginning, told.Error, StringComparison.Ordinal);
    }
}
