using System.Diagnostics.CodeAnalysis;

namespace Malha.Configuration;

/// <summary>
/// The path that a service gets instead of the request's: text in which <c>{path}</c> stands for the request's path, <c>{rest}</c> for what
/// <c>/**</c> of the route took (both with their leading slash, <c>{rest}</c> empty when that was nothing), and <c>{name}</c> for the segment that the
/// parameter of that name took. The query is not part of it: it stays the request's.
/// </summary>
public sealed record RewritePath
{
    private const int MaxLength = 4096;

    private RewritePath(string text, ConfigList<RewritePart> parts)
    {
        Text = text;
        Parts = parts;
    }

    /// <summary>The path as written.</summary>
    public string Text { get; }

    /// <summary>Literals and placeholders in order.</summary>
    public ConfigList<RewritePart> Parts { get; }

    /// <summary>What replaces a prefix: the new prefix (a slash alone: none) and then all that <c>/**</c> took.</summary>
    public static RewritePath OfPrefix(string prefix)
    {
        var rest = new RewritePart(RewritePartKind.Rest, "");
        return new RewritePath(prefix, prefix == "/" ? [rest] : [new RewritePart(RewritePartKind.Literal, prefix), rest]);
    }

    /// <summary>Reads a path; when it is none, <paramref name="problem"/> says why.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out RewritePath? path, [NotNullWhen(false)] out string? problem)
    {
        path = null;
        var parts = new List<RewritePart>();
        problem = text.Length > MaxLength ? "a path has at most 4096 characters" : ReadParts(text, parts) ?? CheckStart(parts) ?? CheckSegments(text);
        if (problem is not null)
            return false;
        path = new RewritePath(text, [.. parts]);
        return true;
    }

    public bool Equals(RewritePath? other) => other is not null && Parts.Equals(other.Parts);

    public override int GetHashCode() => Parts.GetHashCode();

    public override string ToString() => Text;

    private static string? ReadParts(string text, List<RewritePart> parts)
    {
        for (var place = 0; place < text.Length;)
        {
            var brace = text.AsSpan(place).IndexOfAny('{', '}');
            if (brace != 0)
            {
                var literal = brace < 0 ? text[place..] : text.Substring(place, brace);
                if (literal.AsSpan().IndexOfAny('?', '#') >= 0)
                    return "a rewritten path has neither ? nor #; the query stays the request's";
                parts.Add(new RewritePart(RewritePartKind.Literal, literal));
                place += literal.Length;
                continue;
            }

            var end = text.IndexOf('}', place);
            if (text[place] == '}' || end < 0)
                return "a placeholder is {path}, {rest} or the {name} of a parameter";
            var name = text[(place + 1)..end];
            if (name.Length is 0 or > 63 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
                return "a placeholder is {path}, {rest} or the {name} of a parameter";
            parts.Add(name switch
            {
                "path" => new RewritePart(RewritePartKind.Path, ""),
                "rest" => new RewritePart(RewritePartKind.Rest, ""),
                _ => new RewritePart(RewritePartKind.Parameter, name),
            });
            place = end + 1;
        }
        return null;
    }

    // Both bring their own slash: two in a row would mean a host to whoever reads it as a URL.
    private static string? CheckStart(List<RewritePart> parts)
    {
        if (parts.Count == 0 || (parts[0].Kind == RewritePartKind.Literal ? !parts[0].Text.StartsWith('/') : parts[0].Kind == RewritePartKind.Parameter))
            return "a path begins with /, {path} or {rest}";
        for (var index = 1; index < parts.Count; index++)
        {
            if (parts[index].Kind is RewritePartKind.Path or RewritePartKind.Rest && parts[index - 1] is { Kind: RewritePartKind.Literal } before && before.Text.EndsWith('/'))
                return "{path} and {rest} begin with a slash themselves; write none before them";
        }
        return null;
    }

    private static string? CheckSegments(string text)
    {
        foreach (var segment in text.Split('/').Skip(1).SkipLast(1))
        {
            if (segment.Length == 0)
                return "a path has no empty segment (//)";
        }
        foreach (var segment in text.Split('/'))
        {
            // What a placeholder stands for is checked with each request.
            var literal = segment.Replace("{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal);
            if (!PathText.TryNormalize(literal, out var normal, out var problem))
                return problem;
            if (normal is "." or "..")
                return "\".\" and \"..\" are no segments of a path";
        }
        return null;
    }
}

/// <summary>A piece of a <see cref="RewritePath"/>.</summary>
/// <param name="Kind">What it stands for.</param>
/// <param name="Text">The text of a literal, the name of a parameter.</param>
public readonly record struct RewritePart(RewritePartKind Kind, string Text);

/// <summary>What a <see cref="RewritePart"/> stands for.</summary>
public enum RewritePartKind
{
    Literal,
    Path,
    Rest,
    Parameter,
}
