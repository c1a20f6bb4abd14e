using System.Globalization;
using System.Text.RegularExpressions;

namespace Malha.IntegrationTests.Harness;

/// <summary>
/// One of curl's tests of what a server may answer: the replies in their order, as the server sends them, and the same with CRLF in every
/// head, since the suite writes most heads with LF alone, which hides what the test is about from a strict reader.
/// </summary>
internal sealed record CurlCase(int Number, string Title, string Method, bool IsWebSocket, IReadOnlyList<byte[]> Replies, IReadOnlyList<byte[]> MendedReplies);

/// <summary>Reads curl's test files: sections like XML's, %hex[…]hex% and %repeat[…]% and other substitutions inside.</summary>
internal static partial class CurlCorpus
{
    public static IReadOnlyList<CurlCase> All { get; } = Read();

    [GeneratedRegex(@"<reply>\n(.*?)</reply>", RegexOptions.Singleline)]
    private static partial Regex Reply { get; }

    [GeneratedRegex(@"<(?<section>data\d*|connect)(?<attributes>(?: [^>]*)?)>\n(?<text>.*?)</\k<section>>", RegexOptions.Singleline)]
    private static partial Regex Data { get; }

    [GeneratedRegex(@"<name>\n(.*?)\n</name>", RegexOptions.Singleline)]
    private static partial Regex Title { get; }

    [GeneratedRegex(@"<command[^>]*>\n(.*?)\n</command>", RegexOptions.Singleline)]
    private static partial Regex Command { get; }

    [GeneratedRegex(@"%hex\[(.*?)\]hex%", RegexOptions.Singleline)]
    private static partial Regex Hex { get; }

    [GeneratedRegex(@"%repeat\[(\d+) x (.*?)\]%", RegexOptions.Singleline)]
    private static partial Regex Repeat { get; }

    [GeneratedRegex("%([0-9a-fA-F]{2})")]
    private static partial Regex Escape { get; }

    [GeneratedRegex(@"(?<!\r)\n")]
    private static partial Regex BareLineEnd { get; }

    private static List<CurlCase> Read()
    {
        if (Corpora.Folder("curl") is not { } folder)
            return [];
        return [.. Directory.GetFiles(Path.Combine(folder, "tests", "data"), "test*")
            .Select(file => (File: file, Number: int.Parse(Path.GetFileName(file).AsSpan(4), CultureInfo.InvariantCulture)))
            .OrderBy(test => test.Number)
            .Select(test => ReadCase(test.Number, WireText.Text(File.ReadAllBytes(test.File))))];
    }

    private static CurlCase ReadCase(int number, string text)
    {
        var command = Command.Match(text).Groups[1].Value;
        var method = command.StartsWith("-I ", StringComparison.Ordinal) ? "HEAD" : command.Contains(" -d ", StringComparison.Ordinal) || command.Contains(" -F ", StringComparison.Ordinal) ? "POST" : "GET";
        var sections = Data.Matches(Reply.Match(text).Groups[1].Value);
        return new CurlCase(
            number,
            Title.Match(text).Groups[1].Value,
            method,
            command.Contains("ws://", StringComparison.Ordinal),
            [.. sections.Select(section => Content(section, number, mended: false))],
            [.. sections.Select(section => Content(section, number, mended: true))]);
    }

    private static byte[] Content(Match section, int number, bool mended)
    {
        var attributes = section.Groups["attributes"].Value;
        var text = section.Groups["text"].Value;
        if (attributes.Contains("nonewline=\"yes\"", StringComparison.Ordinal) && text.EndsWith('\n'))
            text = text[..^1];
        text = Repeat.Replace(text, match => string.Concat(Enumerable.Repeat(Unescape(match.Groups[2].Value), int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture))));
        text = Hex.Replace(text, match => Unescape(match.Groups[1].Value));
        text = text.Replace("%CR", "\r", StringComparison.Ordinal).Replace("%TESTNUMBER", number.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        if (attributes.Contains("crlf=\"yes\"", StringComparison.Ordinal))
            text = BareLineEnd.Replace(text, "\r\n");
        else if (mended || attributes.Contains("crlf=\"headers\"", StringComparison.Ordinal))
            text = MendHead(text);
        return WireText.Bytes(text);
    }

    private static string Unescape(string text) =>
        Escape.Replace(text, match => ((char)int.Parse(match.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToString());

    /// <summary>CRLF up to the empty line, and again where another head follows it.</summary>
    private static string MendHead(string text)
    {
        if (!text.StartsWith("HTTP/", StringComparison.Ordinal))
            return text;
        var end = Regex.Match(text, "\r?\n\r?\n");
        if (!end.Success)
            return BareLineEnd.Replace(text, "\r\n");
        var head = BareLineEnd.Replace(text[..(end.Index + end.Length)], "\r\n");
        return head + MendHead(text[(end.Index + end.Length)..]);
    }
}
