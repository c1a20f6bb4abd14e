using System.Buffers;
using System.Globalization;

namespace Malha.Configuration.Reading.Yaml;

/// <summary>
/// Refuses characters before YamlDotNet sees them: it takes NUL for the end of the file (the rest would be ignored silently), and
/// U+0085, U+2028 and U+2029 for line breaks, which no editor counts. Written as escapes within quotation marks they are fine.
/// </summary>
internal static class TextCheck
{
    private static readonly SearchValues<char> Suspects = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Select(c => (char)c).Where(c => c is not ('\t' or '\n' or '\r')),
            .. Enumerable.Range(0x7f, 0x21).Select(c => (char)c), '\u2028', '\u2029', '\ufeff', '\ufffe', '\uffff']);

    public static bool Pass(string text, ErrorList errors)
    {
        var at = text.AsSpan().IndexOfAny(Suspects);
        if (at < 0)
            at = LoneSurrogate(text);
        if (at < 0)
            return true;

        var (line, column) = Place(text, at);
        errors.Add(line, column, "", string.Create(CultureInfo.InvariantCulture,
            $"the character U+{(int)text[at]:X4} cannot stand in the file; within quotation marks write it as \\u{(int)text[at]:x4}"));
        return false;
    }

    /// <summary>Line and column (from 1) of a position.</summary>
    public static (int Line, int Column) Place(string text, int at)
    {
        var line = 1;
        var start = 0;
        for (var i = 0; i < at; i++)
        {
            if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.Length || text[i + 1] != '\n')))
            {
                line++;
                start = i + 1;
            }
        }

        return (line, at - start + 1);
    }

    private static int LoneSurrogate(string text)
    {
        var at = 0;
        while (text.AsSpan(at).IndexOfAnyInRange('\ud800', '\udfff') is var next and >= 0)
        {
            at += next;
            if (at + 1 == text.Length || !char.IsSurrogatePair(text[at], text[at + 1]))
                return at;
            at += 2;
        }

        return -1;
    }
}
