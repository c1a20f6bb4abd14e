using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;

namespace Malha.Configuration;

/// <summary>
/// The way to one value in a JSON document: the singular queries of RFC 9535 (2.3.5.1), which lead to at most one value. <c>$</c> is the whole document,
/// <c>.name</c> or <c>['any name']</c> a member, <c>[0]</c> an element, <c>[-1]</c> the last one. No wildcards, slices or filters.
/// </summary>
public sealed class JsonPath : IEquatable<JsonPath>
{
    private const int MaxLength = 256;
    private readonly Step[] _steps;

    private JsonPath(string text, Step[] steps)
    {
        Text = text;
        _steps = steps;
    }

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>Reads a path; false with the problem when the text is none.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out JsonPath? path, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        path = null;
        problem = text.Length > MaxLength ? "a JSON path has up to 256 characters"
            : text.StartsWith('$') ? null : "a JSON path begins with $, such as $.status";
        var steps = new List<Step>();
        for (var at = 1; problem is null && at < text.Length;)
            problem = ReadStep(text, ref at, steps);
        if (problem is not null)
            return false;
        path = new JsonPath(text, [.. steps]);
        return true;
    }

    /// <summary>The value that the path leads to; false when the document has none there.</summary>
    public bool TryFind(JsonElement document, out JsonElement value)
    {
        value = document;
        foreach (var step in _steps)
        {
            if (step.Name is { } name)
            {
                if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(name, out value))
                    return false;
                continue;
            }

            if (value.ValueKind != JsonValueKind.Array)
                return false;
            var index = step.Index < 0 ? step.Index + value.GetArrayLength() : step.Index;
            if (index < 0 || index >= value.GetArrayLength())
                return false;
            value = value[index];
        }

        return true;
    }

    public bool Equals(JsonPath? other) => other is not null && _steps.AsSpan().SequenceEqual(other._steps);

    public override bool Equals(object? obj) => Equals(obj as JsonPath);

    public override int GetHashCode() => _steps.Length == 0 ? 0 : HashCode.Combine(_steps.Length, _steps[^1]);

    public override string ToString() => Text;

    private static string? ReadStep(string text, ref int at, List<Step> steps)
    {
        if (text[at] == '.')
        {
            var end = text.AsSpan(at + 1).IndexOfAny('.', '[');
            var name = end < 0 ? text[(at + 1)..] : text.Substring(at + 1, end);
            // RFC 9535's shorthand has letters, digits and _; the hyphen that health documents love is read too.
            if (name.Length == 0 || !name.All(c => char.IsLetterOrDigit(c) || c is '_' or '-'))
                return "a name after a dot has letters, digits, _ and -; write any other as ['name']";
            at += 1 + name.Length;
            steps.Add(new Step(name, 0));
            return null;
        }

        if (text[at] != '[')
            return "a JSON path is $ followed by .name, ['name'] or [0]";
        var quote = at + 1 < text.Length ? text[at + 1] : ' ';
        if (quote is '\'' or '"')
        {
            var close = text.IndexOf(quote, at + 2);
            if (close < 0 || close + 1 >= text.Length || text[close + 1] != ']')
                return "a name in brackets stands in quotation marks and ends with ]";
            steps.Add(new Step(text[(at + 2)..close], 0));
            at = close + 2;
            return null;
        }

        var bracket = text.IndexOf(']', at);
        if (bracket < 0 || !int.TryParse(text.AsSpan(at + 1, bracket - at - 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index))
            return "in brackets stands a position such as [0] or a name such as ['name']";
        steps.Add(new Step(null, index));
        at = bracket + 1;
        return null;
    }

    private readonly record struct Step(string? Name, int Index);
}
