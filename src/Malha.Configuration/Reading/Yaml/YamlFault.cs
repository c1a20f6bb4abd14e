using YamlDotNet.Core;

namespace Malha.Configuration.Reading.Yaml;

/// <summary>Turns a fault in the syntax into words for the operator.</summary>
internal static class YamlFault
{
    /// <summary>A part of YamlDotNet's message, and what to say instead.</summary>
    private static readonly (string Part, string Say)[] Known =
    [
        ("found invalid mapping", "\": \" in the middle of a value, or a line that is indented too far; quote the value, or mend the indentation"),
        ("cannot start any token", "a value cannot begin with this character; quote the value"),
        ("quoted scalar, found unexpected end of stream", "the quotation mark that stands here is never closed"),
        ("did not find expected '-' indicator", "a list item (\"- …\") is expected here; mend the indentation"),
        ("did not find expected key", "a key is expected here; mend the indentation, or quote the value before"),
        ("did not find expected ',' or '}'", "\",\" or \"}\" is expected here; within { } a value that holds { } [ ] or , is quoted"),
        ("did not find expected ',' or ']'", "\",\" or \"]\" is expected here; within [ ] a value that holds { } [ ] or , is quoted"),
        ("could not find expected ':'", "a key without \":\""),
        ("Did not find expected <document",
            "what stands here does not belong to the map above; mend the indentation, or quote a text that begins with *, & or !"),
        ("unknown escape character", "an unknown escape in a text in double quotation marks; write \\\\ for a backslash, or use single ones"),
    ];

    public static void Report(Exception fault, string text, YamlNode? flow, Mark last, ErrorList errors)
    {
        var mark = fault is YamlException { Start: { Line: > 0 } start } ? start : last;
        var (line, column) = ((int)mark.Line, (int)mark.Column);
        if (fault.Message.Contains("tab", StringComparison.OrdinalIgnoreCase) && FindTab(text, line) is { } tab)
        {
            errors.Add(tab.Line, tab.Column, "", "a tab in the indentation; YAML indents with spaces only");
            return;
        }

        var say = Array.Find(Known, known => fault.Message.Contains(known.Part, StringComparison.OrdinalIgnoreCase)).Say;
        if (fault is not YamlException)
            say = flow is null ? "the syntax breaks off here" : "the bracket that opens here is not closed where it should be";
        if (fault is not YamlException && flow is not null)
            (line, column) = (flow.Line, flow.Column);
        (line, column) = Within(text, line, column);
        errors.Add(line, column, "", "not YAML: " + (say ?? Lower(Printable.Escape(fault.Message))));
    }

    /// <summary>YamlDotNet's mark may be where the value began; the tab is on that line or below.</summary>
    private static (int Line, int Column)? FindTab(string text, int from)
    {
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        for (var i = Math.Max(from, 1) - 1; i < lines.Length; i++)
        {
            var indentation = lines[i].Length - lines[i].TrimStart(' ', '\t').Length;
            var tab = lines[i].AsSpan(0, indentation).IndexOf('\t');
            if (tab >= 0)
                return (i + 1, tab + 1);
        }

        return null;
    }

    /// <summary>A fault at the end is placed after the last character, not on a line that is not there.</summary>
    private static (int Line, int Column) Within(string text, int line, int column)
    {
        var (lastLine, lastColumn) = TextCheck.Place(text, text.Length);
        return line > lastLine || (line == lastLine && column > lastColumn) ? (lastLine, lastColumn) : (Math.Max(line, 1), Math.Max(column, 1));
    }

    private static string Lower(string message) => message.Length == 0 ? "fault" : char.ToLowerInvariant(message[0]) + message[1..].TrimEnd('.');
}
