using System.Diagnostics.CodeAnalysis;

namespace Malha.Configuration;

/// <summary>
/// Where a redirect points: an absolute http(s) URL or a path, in which <c>{host}</c> stands for the request's host (without port),
/// <c>{path}</c> for its path (with its leading slash), and <c>{query}</c> for its query with the question mark (empty when there is none).
/// What a client sends cannot choose another host: a placeholder never stands where the host ends or begins.
/// </summary>
public sealed record RedirectTarget
{
    private const int MaxLength = 4096;

    private RedirectTarget(string text, ConfigList<RedirectPart> parts)
    {
        Text = text;
        Parts = parts;
    }

    /// <summary><c>/</c>.</summary>
    public static RedirectTarget Root { get; } = new("/", [new RedirectPart(RedirectPartKind.Literal, "/")]);

    /// <summary>The target as written.</summary>
    public string Text { get; }

    /// <summary>Literals and placeholders in order.</summary>
    public ConfigList<RedirectPart> Parts { get; }

    /// <summary>Reads a target; when it is none, <paramref name="problem"/> says why.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out RedirectTarget? target, [NotNullWhen(false)] out string? problem)
    {
        target = null;
        var parts = new List<RedirectPart>();
        problem = text.Length > MaxLength ? "a redirect has at most 4096 characters" : ReadParts(text, parts) ?? CheckStart(text);
        if (problem is not null)
            return false;

        target = new RedirectTarget(text, [.. parts]);
        return true;
    }

    public override string ToString() => Text;

    private static string? ReadParts(string text, List<RedirectPart> parts)
    {
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            var brace = rest.IndexOfAny('{', '}');
            if (brace != 0)
            {
                var literal = brace < 0 ? rest : rest[..brace];
                foreach (var c in literal)
                {
                    if (c is <= ' ' or >= (char)0x7f or '\\' or '"' or '<' or '>' or '^' or '`' or '|')
                        return "a character of a URL must be escaped (a space is %20)";
                }

                parts.Add(new RedirectPart(RedirectPartKind.Literal, literal.ToString()));
                rest = rest[literal.Length..];
                continue;
            }

            var end = rest.IndexOf('}');
            RedirectPartKind? kind = end < 0 ? null : rest[..(end + 1)] switch
            {
                "{host}" => RedirectPartKind.Host,
                "{path}" => RedirectPartKind.Path,
                "{query}" => RedirectPartKind.Query,
                _ => null,
            };
            if (kind is not { } known)
                return "the placeholders are {host}, {path} and {query}";
            parts.Add(new RedirectPart(known, ""));
            rest = rest[(end + 1)..];
        }

        return null;
    }

    /// <summary>
    /// A path must not become <c>//other.example</c> (a client chooses <c>{path}</c>), and an authority is a literal host or <c>{host}</c>.
    /// </summary>
    private static string? CheckStart(string text)
    {
        if (text.StartsWith('/'))
            return text.Length > 1 && text[1] is '/' or '{' ? "after the first / of a redirect comes neither / nor a placeholder" : null;

        var scheme = text.StartsWith("https://", StringComparison.Ordinal) ? 8 : text.StartsWith("http://", StringComparison.Ordinal) ? 7 : 0;
        if (scheme == 0)
            return "a redirect begins with http://, https:// or /";

        var rest = text[scheme..];
        var host = rest.StartsWith("{host}", StringComparison.Ordinal) ? "{host}".Length : 0;
        var end = rest.AsSpan(host).IndexOfAny("/?#{");
        var authority = end < 0 ? rest : rest[..(host + end)];
        if (end >= 0 && rest[host + end] == '{' && rest.AsSpan(host + end).StartsWith("{host}"))
            return "{host} is the whole host of a redirect";
        if (authority.Contains('@', StringComparison.Ordinal))
            return "a redirect has no user or password";

        var sample = "http://" + (host > 0 ? string.Concat("a.example", authority.AsSpan(host)) : authority) + "/";
        if (host > 0 && authority.Length > host && authority[host] != ':')
            return "{host} is the whole host of a redirect";
        return Uri.TryCreate(sample, UriKind.Absolute, out var url) && url.Host.Length > 0 ? null : "a redirect needs a host";
    }
}

/// <summary>A piece of a <see cref="RedirectTarget"/>.</summary>
/// <param name="Kind">What it stands for.</param>
/// <param name="Text">The text of a literal.</param>
public readonly record struct RedirectPart(RedirectPartKind Kind, string Text);

/// <summary>What a <see cref="RedirectPart"/> stands for.</summary>
public enum RedirectPartKind
{
    Literal,
    Host,
    Path,
    Query,
}
