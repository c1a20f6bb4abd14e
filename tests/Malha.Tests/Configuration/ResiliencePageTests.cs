using System.CommandLine;
using System.Text.RegularExpressions;
using Malha.Cli.Commands;

namespace Malha.Tests.Configuration;

/// <summary>What docs/resilience.md shows can be used as it stands.</summary>
public sealed partial class ResiliencePageTests
{
    private static readonly string Page = File.ReadAllText(Repository.File("docs", "resilience.md"));

    [Fact]
    public void The_example_is_a_configuration()
    {
        var config = Yaml.Good(Yaml.Edge + Block().Match(Page).Groups[1].Value + "routes: [ { service: payments } ]\n");
        Assert.NotNull(config.Services["payments"].Breaker);
    }

    [Fact]
    public void The_commands_are_understood()
    {
        var root = new RootCommand { WhyCommand.Build(), BreakerCommand.Build(), DrainCommand.Build() };
        var commands = Command().Matches(Page).Select(match => match.Groups[1].Value).Distinct().ToArray();
        Assert.True(commands.Length >= 7);
        Assert.All(commands, command => Assert.Empty(root.Parse(command).Errors));
    }

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("`malha ((?:why|breaker|drain) [^`]+)`")]
    private static partial Regex Command();
}
