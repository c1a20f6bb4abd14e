using System.Diagnostics.CodeAnalysis;

namespace Malha.Configuration;

/// <summary>
/// Which paths a route takes: exact <c>/a</c>, prefix <c>/a/**</c> (<c>/a</c> itself and all below it), or a template
/// <c>/users/{id}/orders/*</c>, where <c>{id}</c> and <c>*</c> stand for one segment that is not empty; a template may end in <c>/**</c> too.
/// Literal segments are in the normal form of RFC 3986 6.2.2: escapes of unreserved characters decoded, others in capitals (<c>%2F</c>).
/// </summary>
public sealed record PathPattern
{
    private const int MaxLength = 4096;

    private PathPattern(string text, ConfigList<PathSegment> segments, bool takesRest)
    {
        Text = text;
        Segments = segments;
        TakesRest = takesRest;
    }

    /// <summary><c>/**</c>: every path.</summary>
    public static PathPattern Everything { get; } = new("/**", [], takesRest: true);

    /// <summary>The pattern as written.</summary>
    public string Text { get; }

    /// <summary>The segments between the slashes, without a closing <c>**</c>. A last empty one is the slash at the end of <c>/a/</c>.</summary>
    public ConfigList<PathSegment> Segments { get; }

    /// <summary>Whether the pattern ends in <c>/**</c>.</summary>
    public bool TakesRest { get; }

    public PathPatternKind Kind =>
        Segments.Any(segment => segment.Kind != PathSegmentKind.Literal) ? PathPatternKind.Template
        : TakesRest ? PathPatternKind.Prefix : PathPatternKind.Exact;

    /// <summary>Reads a pattern; when it is none, <paramref name="problem"/> says why.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out PathPattern? pattern, [NotNullWhen(false)] out string? problem)
    {
        pattern = null;
        if (!text.StartsWith('/'))
        {
            problem = "a path begins with /";
            return false;
        }

        if (text.Length > MaxLength)
        {
            problem = "a path has at most 4096 characters";
            return false;
        }

        var parts = text[1..].Split('/');
        var takesRest = parts[^1] == "**";
        var segments = new List<PathSegment>(parts.Length);
        for (var i = 0; i < (takesRest ? parts.Length - 1 : parts.Length); i++)
        {
            if (parts[i].Length == 0 && i < parts.Length - 1)
                problem = "a path has no empty segment (//)";
            else
                problem = PathSegment.Read(parts[i], segments);
            if (problem is not null)
                return false;
        }

        problem = null;
        // "/" has no segments; "/a/" keeps the empty one that tells it from "/a".
        if (parts is [""])
            segments.Clear();
        pattern = new PathPattern(text, [.. segments], takesRest);
        return true;
    }

    /// <exception cref="FormatException">The text is not a pattern.</exception>
    public static PathPattern Parse(string text) =>
        TryParse(text, out var pattern, out var problem) ? pattern : throw new FormatException($"'{text}': {problem}");

    public bool Equals(PathPattern? other) => other is not null && TakesRest == other.TakesRest && Segments.Equals(other.Segments);

    public override int GetHashCode() => HashCode.Combine(TakesRest, Segments);

    public override string ToString() => Text;
}

/// <summary>The kinds of <see cref="PathPattern"/>, the most specific first.</summary>
public enum PathPatternKind
{
    Exact,
    Template,
    Prefix,
}

/// <summary>One segment of a <see cref="PathPattern"/>.</summary>
/// <param name="Kind">Whether the segment is compared, captured or passed over.</param>
/// <param name="Text">The literal in normal form, the parameter's name, or empty.</param>
public readonly record struct PathSegment(PathSegmentKind Kind, string Text)
{
    /// <summary>Adds the segment that the text means, or says why it means none.</summary>
    internal static string? Read(string text, List<PathSegment> segments)
    {
        if (text == "*")
        {
            segments.Add(new PathSegment(PathSegmentKind.Any, ""));
            return null;
        }

        if (text.StartsWith('{') && text.EndsWith('}'))
            return ReadParameter(text[1..^1], segments);
        if (text == "**")
            return "** stands at the end of a path only";
        if (text.AsSpan().IndexOfAny("{}*") >= 0)
            return "{name} and * stand for a whole segment";
        if (text is "." or "..")
            return "\".\" and \"..\" are no segments of a path";
        if (!PathText.TryNormalize(text, out var literal, out var problem))
            return problem;
        if (literal is "." or "..")
            return "\".\" and \"..\" are no segments of a path";

        segments.Add(new PathSegment(PathSegmentKind.Literal, literal));
        return null;
    }

    private static string? ReadParameter(string name, List<PathSegment> segments)
    {
        if (name.Length is 0 or > 63 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
            return "a parameter's name is made of letters, digits, - and _";
        if (segments.Exists(segment => segment.Kind == PathSegmentKind.Parameter && segment.Text == name))
            return $"the parameter {{{name}}} occurs twice";

        segments.Add(new PathSegment(PathSegmentKind.Parameter, name));
        return null;
    }
}

/// <summary>What a <see cref="PathSegment"/> does.</summary>
public enum PathSegmentKind
{
    Literal,
    Parameter,
    Any,
}
