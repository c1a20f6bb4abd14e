using System.Text.RegularExpressions;
using Malha.Tests.Configuration;

namespace Malha.Tests.Identity;

/// <summary>The examples of docs/clients.md load.</summary>
public sealed partial class ClientsPageTests
{
    [Fact]
    public void Every_example_loads()
    {
        var examples = Example().Matches(File.ReadAllText(Repository.File("docs", "clients.md"))).Select(match => match.Groups[1].Value).ToArray();
        Assert.NotEmpty(examples);
        Assert.All(examples, example => Yaml.Good(example));
    }

    [GeneratedRegex(@"```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();
}
