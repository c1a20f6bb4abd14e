using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>The Big List of Naughty Strings in every place of a request: refused, or forwarded as it was; and a log that stays readable.</summary>
[TestMethodOrderer<SummaryLast>]
public sealed partial class BlnsTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    private static readonly string[] Strings = Corpora.Folder("blns") is { } folder
        ? JsonSerializer.Deserialize<string[]>(File.ReadAllText(Path.Combine(folder, "blns.json")))!
        : [];

    [Theory]
    [InlineData("raw in the path")]
    [InlineData("raw in the query")]
    [InlineData("escaped in the path")]
    [InlineData("escaped in the query")]
    [InlineData("in a value")]
    [InlineData("as a name")]
    [InlineData("in the Host")]
    [InlineData("in a body")]
    [InlineData("in a chunk")]
    public async Task Naughty_string_is_refused_or_forwarded_as_it_is(string place)
    {
        Assert.SkipWhen(Strings.Length == 0, Corpora.Absent);
        var wrong = new List<string>();
        for (var i = 0; i < Strings.Length; i++)
        {
            var guardCase = Case($"string {i} {place}", place, Strings[i]);
            var verdict = await fixture.JudgeAsync(guardCase);
            fixture.Tally.Count(guardCase.Kind, verdict == null);
            if (verdict != null)
                wrong.Add(verdict);
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {Strings.Length}:\n{string.Join('\n', wrong.Take(5))}");
    }

    [Fact]
    public void Verdicts_are_summed_up()
    {
        Assert.SkipWhen(Strings.Length == 0, Corpora.Absent);
        TestContext.Current.TestOutputHelper?.WriteLine(fixture.Tally.Summary("blns", fixture.Proxy.Name));
        Assert.Equal(fixture.Tally.All, fixture.Tally.Right);
        // A line of the log is one object, whatever was in the requests that it tells about.
        Assert.All(
            fixture.Proxy.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(_ => fixture.Proxy is MalhaProcess),
            line => JsonDocument.Parse(line).Dispose());
    }

    [GeneratedRegex("%00|(?:^|%2F|%5C)\\.\\.?(?:$|%2F|%5C|;)")]
    private static partial Regex MayBeRefused { get; }

    private static GuardCase Case(string name, string place, string naughty)
    {
        var text = WireText.Text(Encoding.UTF8.GetBytes(naughty));
        var escaped = Uri.EscapeDataString(naughty);
        return place switch
        {
            "raw in the path" => GuardCase.Either(name, Get($"/{text}")),
            "raw in the query" => GuardCase.Either(name, Get($"/?{text}")),
            // Dot segments, and an encoded NUL, which ends a path for whoever hands it to C.
            "escaped in the path" when MayBeRefused.IsMatch(escaped) => GuardCase.Either(name, Get($"/{escaped}")),
            "escaped in the path" => GuardCase.Good(name, Get($"/{escaped}")),
            "escaped in the query" => GuardCase.Good(name, Get($"/?{escaped}")),
            // Some of the strings have control bytes, which a value may not have.
            "in a value" => GuardCase.Read(name, WireText.Bytes(Get("/", $"X-Naughty: {text}\r\n"))),
            "as a name" => GuardCase.Either(name, Get("/", $"X-{text}: x\r\n")),
            "in the Host" => GuardCase.Either(name, $"GET / HTTP/1.1\r\nHost: {text}\r\n\r\n"),
            "in a body" => GuardCase.Good(name, $"POST / HTTP/1.1\r\nHost: blns.example\r\nContent-Length: {text.Length}\r\n\r\n{text}"),
            _ => GuardCase.Good(name, $"POST / HTTP/1.1\r\nHost: blns.example\r\nTransfer-Encoding: chunked\r\n\r\n{Chunk(text)}0\r\n\r\n"),
        };
    }

    private static string Get(string target, string fields = "") => $"GET {target} HTTP/1.1\r\nHost: blns.example\r\n{fields}\r\n";

    private static string Chunk(string text) => text.Length == 0 ? "" : $"{text.Length:x}\r\n{text}\r\n";
}
