using System.Text.RegularExpressions;
using Malha.Resilience;
using Malha.Tests.Configuration;

namespace Malha.Tests.HealthChecks;

/// <summary>docs/health.md: its examples load, and its decision table is what is decided.</summary>
public sealed partial class HealthPageTests
{
    private static readonly string Page = File.ReadAllText(Repository.File("docs", "health.md"));

    public static TheoryData<string, string, string> Rows =>
        [.. Row().Matches(Page).Select(row => (row.Groups[1].Value, row.Groups[2].Value, row.Groups[3].Value))];

    [Fact]
    public void Every_example_loads()
    {
        var examples = Example().Matches(Page).Select(match => match.Groups[1].Value).ToArray();
        Assert.True(examples.Length >= 2, "the examples are not found");
        foreach (var example in examples)
            Yaml.Good(Yaml.Edge + example);
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Each_row_of_the_table_is_what_is_decided(string endpoints, string used, string service)
    {
        var signs = endpoints.Split(' ').Select(Sign).ToArray();
        var usable = new bool[signs.Length];
        var verdict = EndpointJudgement.Decide(signs, usable);
        Assert.Equal(used, string.Concat(usable.Select(one => one ? '1' : '0')));
        Assert.Equal(service.Trim(), verdict.Condition switch
        {
            ServiceCondition.Available => "available",
            ServiceCondition.Panic => "panic",
            ServiceCondition.Open => "open",
            _ => "nobody healthy",
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    public void The_table_has_services_of_one_two_and_ten_endpoints(int endpoints) =>
        Assert.Contains(Rows, row => row.Data.Item2.Length == endpoints);

    private static EndpointSigns Sign(string letters) => new()
    {
        Health = letters[0] switch { 'H' => Malha.Resilience.Health.Healthy, 'U' => Malha.Resilience.Health.Unhealthy, _ => Malha.Resilience.Health.Unknown },
        BreakerPermits = !letters.Contains('b', StringComparison.Ordinal),
        Ejected = letters.Contains('e', StringComparison.Ordinal),
        TrafficSucceeds = letters.Contains('t', StringComparison.Ordinal),
        Dependency = letters.Contains('d', StringComparison.Ordinal) ? "orders-db" : null,
    };

    [GeneratedRegex(@"```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();

    [GeneratedRegex(@"^\| `([HU?bedt ]+)` \| `([01]+)` \| ([a-z ]+)\|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
