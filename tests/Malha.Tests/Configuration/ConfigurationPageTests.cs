using System.Text;
using System.Text.RegularExpressions;
using Malha.Configuration.Reading.Sections;
using Malha.Configuration.Reading.Shapes;

namespace Malha.Tests.Configuration;

/// <summary>
/// docs/configuration.md says what the reader does: its examples load, and its tables of keys are made from the reader's own
/// (MALHA_UPDATE_GOLDEN=1 writes them anew).
/// </summary>
public sealed partial class ConfigurationPageTests
{
    private static readonly string Page = Repository.File("docs", "configuration.md");

    [Fact]
    public void Every_example_loads()
    {
        var examples = Example().Matches(File.ReadAllText(Page)).Select(match => match.Groups[1].Value).ToArray();
        Assert.True(examples.Length >= 7, "the examples are not found");
        foreach (var example in examples)
            Yaml.Good(example.StartsWith("listeners:", StringComparison.Ordinal) ? example : Yaml.Edge + example);
    }

    [Fact]
    public void The_tables_are_those_of_the_reader()
    {
        var page = File.ReadAllText(Page);
        var expected = Table().Replace(page, match => $"{match.Groups[1].Value}\n{Render(Find(match.Groups[2].Value))}{match.Groups[3].Value}");
        if (Environment.GetEnvironmentVariable("MALHA_UPDATE_GOLDEN") == "1")
            File.WriteAllText(Page, expected);
        Assert.Equal(expected, File.ReadAllText(Page));
    }

    [Fact]
    public void Every_section_has_its_table()
    {
        var shown = Table().Matches(File.ReadAllText(Page)).Select(match => Find(match.Groups[2].Value)).ToHashSet(SameKeys.Instance);
        Assert.All(Sections(FileSection.Section.Describe()), section => Assert.Contains(section, shown));
    }

    [Fact]
    public void The_examples_of_errors_are_what_is_said()
    {
        var page = File.ReadAllText(Page);
        var errors = Yaml.Errors("""
            listeners: { edge: { address: 127.0.0.1:8080 } }
            services:
              web: { endpoints: [127.0.0.1:7001] }
              payments: { endpoints: [127.0.0.1:7001], timout: 1s, timeout: 2 }
            routes: [{ service: paymnts }]
            """);
        foreach (var error in errors)
        {
            var words = error[error.IndexOf(": ", StringComparison.Ordinal)..];
            Assert.Contains(words.Split(" attemptTimeout")[0].Replace("web, payments", "payments, web", StringComparison.Ordinal), page, StringComparison.Ordinal);
        }
    }

    /// <summary>The section at a path: <c>the file</c>, <c>services.NAME.tls</c>, <c>routes[].match</c>.</summary>
    private static SectionInfo Find(string path)
    {
        ShapeInfo info = FileSection.Section.Describe();
        foreach (var key in path == "the file" ? [] : path.Replace("[]", "", StringComparison.Ordinal).Replace(".NAME", "", StringComparison.Ordinal).Split('.'))
            info = Inner(info).Keys.Single(known => known.Name == key).Shape;
        return Inner(info);
    }

    private static SectionInfo Inner(ShapeInfo info) => info switch
    {
        SectionInfo section => section,
        MapInfo map => Inner(map.Value),
        ListInfo list => Inner(list.Item),
        EitherInfo either => Inner(either.Shapes[^1]),
        _ => throw new InvalidOperationException($"no section: {info}"),
    };

    private static IEnumerable<SectionInfo> Sections(ShapeInfo info) => info switch
    {
        SectionInfo section => section.Keys.SelectMany(key => Sections(key.Shape)).Prepend(section),
        MapInfo map => Sections(map.Value),
        ListInfo list => Sections(list.Item),
        EitherInfo either => either.Shapes.SelectMany(Sections),
        _ => [],
    };

    private static string Render(SectionInfo section)
    {
        var table = new StringBuilder("| key | value | without it | |\n|---|---|---|---|\n");
        foreach (var key in section.Keys)
        {
            var without = key.IsRequired ? "(required)" : key.Default is null ? key.Origin ?? "" : $"`{key.Default}`: {key.Origin}";
            table.Append($"| `{key.Name}` | {Cell(key.Shape.Allowed)} | {Cell(without)} | {Cell(key.Summary)} |\n");
        }

        return table.ToString();
    }

    private static string Cell(string text) =>
        text.Replace("|", "\\|", StringComparison.Ordinal).Replace("*", "\\*", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    [GeneratedRegex(@"```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();

    [GeneratedRegex(@"(<!-- keys: ([^\n]+) -->)\n.*?(<!-- end -->)", RegexOptions.Singleline)]
    private static partial Regex Table();

    /// <summary>Sections are made anew at each description; the same keys make the same section.</summary>
    private sealed class SameKeys : IEqualityComparer<SectionInfo>
    {
        public static SameKeys Instance { get; } = new();

        public bool Equals(SectionInfo? one, SectionInfo? other) => one!.Keys.Select(key => key.Name).SequenceEqual(other!.Keys.Select(key => key.Name));

        public int GetHashCode(SectionInfo section) => section.Keys.Count;
    }
}
