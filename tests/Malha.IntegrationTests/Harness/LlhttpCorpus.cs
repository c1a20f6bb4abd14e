using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Malha.IntegrationTests.Harness;

/// <summary>
/// Reads llhttp's test suite: Markdown with a `meta` comment, a fence `http` (the input) and a fence `log` (the trace) per case. Line ends of
/// an input are CRLF; \r, \n, \t, \f, \xHH and octal escapes stand for their bytes; a backslash at a line's end joins it with the next.
/// </summary>
internal static partial class LlhttpCorpus
{
    public static IReadOnlyList<LlhttpCase> Requests { get; } = Read("request");

    public static IReadOnlyList<LlhttpCase> Responses { get; } = Read("response");

    [GeneratedRegex(@"<!--\s*meta=(\{.*?\})\s*-->\s*```http\n(.*?)```.*?```log\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Case { get; }

    [GeneratedRegex(@"^#+ (.*)$", RegexOptions.Multiline)]
    private static partial Regex Title { get; }

    [GeneratedRegex(@"^off=(?<offset>\d+) (?:len=(?<length>\d+) (?<what>span\[\w+\])|error code=(?<code>\d+)|(?<what>\w+ (?:begin|complete)|chunk header|pause|reset)).*$")]
    private static partial Regex TraceLine { get; }

    [GeneratedRegex(@"\\x([0-9a-fA-F]+)")]
    private static partial Regex HexEscape { get; }

    [GeneratedRegex(@"\\([0-7]{1,3})")]
    private static partial Regex OctalEscape { get; }

    [GeneratedRegex(@"\r\n|\r|\n")]
    private static partial Regex LineEnd { get; }

    [GeneratedRegex(@"\\(?:\r\n|\r|\n)")]
    private static partial Regex JoinedLine { get; }

    private static List<LlhttpCase> Read(string side)
    {
        if (Corpora.Folder("llhttp") is not { } folder)
            return [];
        var cases = new List<LlhttpCase>();
        foreach (var file in Directory.GetFiles(Path.Combine(folder, "test", side), "*.md").Order(StringComparer.Ordinal))
        {
            var text = File.ReadAllText(file);
            foreach (Match match in Case.Matches(text))
                cases.Add(ReadCase(Path.GetFileNameWithoutExtension(file), text, match));
        }
        return [.. cases.GroupBy(given => given.Name).SelectMany(Numbered)];
    }

    /// <summary>Some titles come twice in a file.</summary>
    private static IEnumerable<LlhttpCase> Numbered(IEnumerable<LlhttpCase> sameName) =>
        sameName.Select((given, index) => index == 0 ? given : given with { Name = $"{given.Name} #{index + 1}" });

    private static LlhttpCase ReadCase(string file, string text, Match match)
    {
        using var meta = JsonDocument.Parse(match.Groups[1].Value);
        var before = text[..match.Index];
        var title = Title.Matches(before).LastOrDefault()?.Groups[1].Value ?? "";
        var trace = match.Groups[3].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Event).OfType<LlhttpEvent>();
        return new LlhttpCase(
            $"{file}: {title}",
            meta.RootElement.GetProperty("type").GetString()!,
            meta.RootElement.TryGetProperty("skipBody", out var skips) && skips.GetBoolean(),
            Input(match.Groups[2].Value),
            [.. trace]);
    }

    private static byte[] Input(string fence)
    {
        var input = fence.EndsWith('\n') ? fence[..^1] : fence;
        input = JoinedLine.Replace(input, "");
        input = LineEnd.Replace(input, "\r\n");
        input = input.Replace("\\r", "\r", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal)
            .Replace("\\t", "\t", StringComparison.Ordinal).Replace("\\f", "\f", StringComparison.Ordinal);
        input = HexEscape.Replace(input, match => ((char)int.Parse(match.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToString());
        input = OctalEscape.Replace(input, match => ((char)Convert.ToInt32(match.Groups[1].Value, 8)).ToString());
        // The suite hands its inputs over as UTF-8, and its offsets count those bytes.
        return Encoding.UTF8.GetBytes(input);
    }

    private static LlhttpEvent? Event(string line)
    {
        var match = TraceLine.Match(line);
        return match.Success ? new LlhttpEvent(Number("offset"), match.Groups["what"].Value, Number("length"), Number("code")) : null;

        int Number(string group) => match.Groups[group].Success ? int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture) : 0;
    }
}
