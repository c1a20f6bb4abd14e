using Malha.Configuration.Reading;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Tests.Configuration;

public sealed class YamlFaultTests
{
    [Theory]
    [InlineData("", "1:1: the file is empty. Allowed: at least listeners and routes")]
    [InlineData("# a comment\n", "1:1: the file is empty. Allowed: at least listeners and routes")]
    [InlineData("~", "1:1: the file is empty. Allowed: the configuration: listeners, services, routes")]
    [InlineData("[]", "1:1: is a list. Allowed: the configuration: listeners, services, routes")]
    [InlineData("text", "1:1: is text. Allowed: the configuration: listeners, services, routes")]
    [InlineData("a: 1\n---\nb: 1\n", "2:1: a second document begins here; the configuration is one document")]
    [InlineData("a:\n\tb: 1\n", "2:1: a tab in the indentation; YAML indents with spaces only")]
    [InlineData("a:\n  b: 1\n\tc: 2", "3:1: a tab in the indentation; YAML indents with spaces only")]
    [InlineData("a: !!str 1", "1:4: the tag \"tag:yaml.org,2002:str\" has no meaning here; leave it out")]
    [InlineData("? [a]\n: b", "1:3: a key is text, not a list")]
    [InlineData("host: *.x", "1:7: no anchor \"&.x\" stands before this alias; a wildcard is quoted: \"*.x\"")]
    [InlineData("a: *b\nb: &b 1", "1:4: no anchor \"&b\" stands before this alias; text that begins with * is quoted")]
    [InlineData("a: &x [*x]", "1:8: the alias \"*x\" lies within what it stands for")]
    [InlineData("<<: 3\na: 1", "1:1: << takes a map or a list of maps")]
    [InlineData("a: b: c", "1:5: not YAML: \": \" in the middle of a value, or a line that is indented too far; quote the value, or mend the indentation")]
    [InlineData("a: 1\n b: 2", "2:3: not YAML: \": \" in the middle of a value, or a line that is indented too far; quote the value, or mend the indentation")]
    [InlineData("a: 'x", "1:4: not YAML: the quotation mark that stands here is never closed")]
    [InlineData("a: @x", "1:4: not YAML: a value cannot begin with this character; quote the value")]
    [InlineData("a: 1\nb", "2:1: not YAML: a key without \":\"")]
    [InlineData("- a\nb: 1", "2:1: not YAML: a list item (\"- …\") is expected here; mend the indentation")]
    [InlineData("a: {p: /x/{id}/y}", "1:11: not YAML: \",\" or \"}\" is expected here; within { } a value that holds { } [ ] or , is quoted")]
    [InlineData("a: {b: c\n", "2:1: not YAML: \",\" or \"}\" is expected here; within { } a value that holds { } [ ] or , is quoted")]
    [InlineData("a: [1, 2\nb: 3", "1:4: not YAML: the bracket that opens here is not closed where it should be")]
    [InlineData("a: \"\\q\"", "1:4: not YAML: an unknown escape in a text in double quotation marks; write \\\\ for a backslash, or use single ones")]
    [InlineData("a: x\0b: y", "1:5: the character U+0000 cannot stand in the file; within quotation marks write it as \\u0000")]
    [InlineData("a: x\u2028b: y", "1:5: the character U+2028 cannot stand in the file; within quotation marks write it as \\u2028")]
    [InlineData("a: 1\nb: \u001b[31m", "2:4: the character U+001B cannot stand in the file; within quotation marks write it as \\u001b")]
    public void A_fault_of_the_syntax_stands_alone_with_its_place(string text, string error) => Assert.Equal("malha.yaml:" + error, Yaml.Error(text));

    [Fact]
    public void Half_a_surrogate_pair_is_refused()
    {
        Assert.Equal("malha.yaml:1:4: the character U+D83D cannot stand in the file; within quotation marks write it as \\ud83d", Yaml.Error("a: \ud83d"));
        Assert.Equal("malha.yaml:1:6: the character U+DE00 cannot stand in the file; within quotation marks write it as \\ude00", Yaml.Error("a: xx\ude00"));
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{a: ")]
    [InlineData("- ")]
    [InlineData("? ")]
    public void Deep_nesting_is_refused_before_it_costs_anything(string opening)
    {
        var error = Yaml.Error(string.Concat(Enumerable.Repeat(opening, 1 << 20)));
        Assert.EndsWith("nested deeper than 64 levels", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Aliases_of_aliases_are_bounded_by_what_they_stand_for()
    {
        var lines = new List<string> { "a0: &a0 [x, x, x, x, x, x, x, x, x, x]" };
        for (var i = 1; i < 30; i++)
            lines.Add($"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]");
        Assert.Equal("malha.yaml:7:5: more than 4000000 values, aliases counted as often as they are used", Yaml.Error(string.Join('\n', lines)));
    }

    [Fact]
    public void Merged_maps_count_as_often_as_they_are_merged()
    {
        var keys = string.Join(", ", Enumerable.Range(0, 1000).Select(i => $"k{i}: x"));
        var lines = Enumerable.Range(0, 5000).Select(i => $"m{i}: {{ <<: *base }}");
        Assert.EndsWith(
            "more than 4000000 values, aliases counted as often as they are used",
            Yaml.Error($"base: &base {{ {keys} }}\n" + string.Join('\n', lines)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("a\nb\r\nc\rd")]
    public void The_place_of_a_position_counts_all_line_breaks(string text)
    {
        var (line, column) = TextCheck.Place(text, text.Length);
        var lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n').Split('\n');
        Assert.Equal((lines.Length, lines[^1].Length + 1), (line, column));
    }

    [Fact]
    public void More_errors_than_anybody_reads_are_counted_only()
    {
        var errors = Yaml.Errors(Yaml.Edge + string.Concat(Enumerable.Range(0, 5000).Select(i => $"key{i}: 1\n")));
        Assert.Equal(ErrorList.Limit + 1, errors.Length);
        Assert.Equal("malha.yaml: 4000 more errors are not shown", errors[^1]);
    }
}
