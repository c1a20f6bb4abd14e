using System.CommandLine;
using System.Text.Json;
using System.Text.RegularExpressions;
using Malha.Cli.Commands;
using Malha.Lab;
using Malha.Tests.Configuration;

namespace Malha.Tests.Cli;

public sealed partial class LabCommandTests
{
    [Fact]
    public void A_misspelt_experiment_is_told_with_what_was_probably_meant()
    {
        var (code, output, error) = Run("domnio");
        Assert.Equal((2, ""), (code, output));
        Assert.Equal("malha: there is no experiment \"domnio\"; did you mean \"domino\"? There are: domino, breaker, retry-storm, backoff, shares, limits, metastability, kafka-acks\n", error);
    }

    [Theory]
    [InlineData("seven")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("18446744073709551616")]
    [InlineData("")]
    public void A_wrong_seed_is_told_with_what_is_allowed(string seed)
    {
        var (code, output, error) = Run("limits", "--seed", seed);
        Assert.Equal((2, ""), (code, output));
        Assert.Equal($"malha: \"{seed}\" is no seed: a seed is a whole number from 0 to 18446744073709551615, for example --seed 7\n", error);
    }

    [Fact]
    public void A_report_that_cannot_be_written_is_told_before_the_work()
    {
        var (code, _, error) = Run("limits", "--report", "/nowhere/at/all/lab.html");
        Assert.Equal((2, "malha: the report cannot be written: there is no folder /nowhere/at/all\n"), (code, error));
    }

    [Theory]
    [InlineData("--faults", "B,X", "there is no fault \"X\"; there are: A, B, C, C12, D, E, E6, F, for example --faults B,C")]
    [InlineData("--faults", ",", "there is no fault \"\"; there are: A, B, C, C12, D, E, E6, F, for example --faults B,C")]
    [InlineData("--rate", "0", "--rate is \"0\", but must be a whole number from 1 to 20000")]
    [InlineData("--seconds", "5s", "--seconds is \"5s\", but must be a whole number from 6 to 600")]
    [InlineData("--seed", "-1", "--seed is \"-1\", but must be a whole number from 0 to 18446744073709551615")]
    [InlineData("--report", "/nowhere/at/all/lab.html", "the report cannot be written: there is no folder /nowhere/at/all")]
    public void Wrong_options_of_the_experiment_with_brokers_are_told_before_any_starts(string option, string value, string problem)
    {
        var (code, output, error) = Run("kafka-acks", option, value);
        Assert.Equal((2, "", $"malha: {problem}\n"), (code, output, error));
    }

    [Fact]
    public void The_list_has_every_experiment()
    {
        var (code, output, _) = Run("--list");
        Assert.Equal(0, code);
        Assert.All(Experiments.All, experiment => Assert.Contains(experiment.Name, output, StringComparison.Ordinal));
        using var json = JsonDocument.Parse(Run("--list", "--json").Output);
        Assert.Contains("kafka-acks", output, StringComparison.Ordinal);
        Assert.Equal(Experiments.All.Count + 1, json.RootElement.GetArrayLength());
    }

    [Fact]
    public void An_experiment_prints_its_tables_and_its_verdict_and_how_to_repeat_it()
    {
        var (code, output, error) = Run("limits", "--seed", "7");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("Doorman's fair share", output, StringComparison.Ordinal);
        Assert.Contains("\npass: GCRA lets ", output, StringComparison.Ordinal);
        Assert.EndsWith("seed 7; repeat with: malha lab limits --seed 7\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_the_figures()
    {
        var (code, output, _) = Run("limits", "--json");
        Assert.Equal(0, code);
        using var json = JsonDocument.Parse(output);
        var experiment = json.RootElement.GetProperty("experiments")[0];
        Assert.True(experiment.GetProperty("verdict").GetProperty("passed").GetBoolean());
        var doorman = experiment.GetProperty("tables").EnumerateArray().Single(table => table.GetProperty("caption").GetString() == "120 divided among three clients");
        Assert.Equal([60, 50, 10], doorman.GetProperty("rows").EnumerateArray().Select(row => row[3].GetProperty("value").GetDouble()));
    }

    [Fact]
    public void The_same_seed_gives_the_same_report_to_the_byte_and_another_seed_another()
    {
        using var directory = new TemporaryDirectory();
        var files = new[] { ("a.html", "3"), ("b.html", "3"), ("c.html", "4") }.Select(one =>
        {
            var file = Path.Combine(directory.Path, one.Item1);
            Assert.Equal(0, Run("domino", "--seed", one.Item2, "--report", file).Code);
            return File.ReadAllBytes(file);
        }).ToList();
        Assert.Equal(files[0], files[1]);
        Assert.NotEqual(files[0], files[2]);
    }

    [Fact]
    public void A_report_stands_by_itself_and_shows_every_plot_for_both_widths()
    {
        using var directory = new TemporaryDirectory();
        var file = Path.Combine(directory.Path, "lab.html");
        Assert.Equal(0, Run("limits", "--report", file).Code);
        var page = File.ReadAllText(file);
        Assert.DoesNotMatch("(?i)<script|<link|<img|@import|url\\((?!#)|(?:src|href)=\"(?!#)", page);
        // The only address is the name of SVG's namespace, if there is one at all.
        Assert.DoesNotContain("//", page.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal), StringComparison.Ordinal);
        var ids = Id().Matches(page).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.All(Reference().Matches(page), match => Assert.Contains(match.Groups[1].Value, ids));
        // No colour is left that a dark page could not change.
        Assert.DoesNotMatch("(?:fill|stroke):(?!none|var|transparent)[^;\"]*[;\"]", page.Replace("fill:rgb(0,0,0);fill-opacity:0", "", StringComparison.Ordinal));
        Assert.Equal(2 * 2, Picture().Count(page));
        Assert.Contains("var(--tone-malha)", page, StringComparison.Ordinal);
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = LabCommand.Build().Parse(arguments).Invoke(new InvocationConfiguration { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }

    [GeneratedRegex(" id=\"([^\"]+)\"")]
    private static partial Regex Id();

    [GeneratedRegex("(?:url\\(|href=\")#([^\")]+)")]
    private static partial Regex Reference();

    [GeneratedRegex("<svg viewBox=\"0 0 \\d+ \\d+\" role")]
    private static partial Regex Picture();
}
