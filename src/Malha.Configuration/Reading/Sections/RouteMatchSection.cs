using Malha.Configuration.Reading.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class RouteMatchSection
{
    /// <summary>Methods that people write in small letters by mistake; others of their own are free to be any token.</summary>
    private static readonly string[] KnownMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"];

    private static readonly Shape<string> Host = new TextShape<string>(
        "a host without port such as shop.example, or a quoted wildcard such as \"*.example\"",
        @"^(\*\.)?[^:/\s*]+$|^\[.+\]$", ReadHost, host => host);

    private static readonly Shape<PathPattern> Path = new TextShape<PathPattern>(
        "a path /a, a prefix /a/** or a template /users/{id}/orders/*", "^/.*$", ReadPath, path => path.Text);

    private static readonly Shape<string> Method =
        new TextShape<string>("a method such as GET or POST", HttpSyntax.TokenPattern, ReadMethod, method => method);

    private static readonly Shape<ConfigDictionary<ValueMatchConfig>> Headers = new MapShape<ValueMatchConfig>(
        "the name of a header field", HttpSyntax.TokenPattern, ReadHeaderName, ValueMatchSection.Shape);

    private static readonly Shape<ConfigDictionary<ValueMatchConfig>> Query = new MapShape<ValueMatchConfig>(
        "the name of a query parameter", "^.+$", ReadParameterName, ValueMatchSection.Shape);

    public static Section<RouteMatchConfig> Section { get; } =
        new Section<RouteMatchConfig>("a map: host, path, methods, headers, query", _ => new RouteMatchConfig())
        .Optional("host", Host, "any host", m => m.Host, (m, v) => m with { Host = v },
            "The host that is asked for; a wildcard takes everything under it, but not itself.")
        .Optional("path", Path, "every path", m => m.Source.Says("path") ? m.Path : null, (m, v) => m with { Path = v },
            "The path: exact, everything under a prefix (and the prefix itself), or a template of which {name} and * stand for one segment.")
        .Optional("methods", new ListShape<string>(Method, least: 1, isSet: true), "any method",
            m => m.Methods.Count == 0 ? null : m.Methods, (m, v) => m with { Methods = v },
            "The methods, in capitals.")
        .Optional("headers", Headers, "any", m => m.Headers.Count == 0 ? null : m.Headers, (m, v) => m with { Headers = v },
            "Header fields that must have, or lack, a value.")
        .Optional("query", Query, "any", m => m.Query.Count == 0 ? null : m.Query, (m, v) => m with { Query = v },
            "Query parameters that must have, or lack, a value.");

    private static string? ReadHost(string text, out string host)
    {
        var wild = text.StartsWith("*.", StringComparison.Ordinal);
        if (!wild && text.Contains('*', StringComparison.Ordinal))
        {
            host = text;
            return $"{Printable.Quote(text)}: a wildcard is the first label of a host";
        }

        var problem = HttpSyntax.ReadHost(wild ? text[2..] : text, out host);
        host = wild ? "*." + host : host;
        return problem ?? (wild && host.StartsWith("*.[", StringComparison.Ordinal) ? $"{Printable.Quote(text)} is not a host" : null);
    }

    private static string? ReadPath(string text, out PathPattern path)
    {
        var read = PathPattern.TryParse(text, out var found, out var problem);
        path = found!;
        return read ? null : $"{Printable.Quote(text)}: {problem}";
    }

    private static string? ReadMethod(string text, out string method)
    {
        method = text;
        if (!HttpSyntax.IsToken(text))
            return $"{Printable.Quote(text)} is not a method";
        if (text == "CONNECT")
            return "CONNECT is never routed";
        var known = Array.Find(KnownMethods, known => known.Equals(text, StringComparison.OrdinalIgnoreCase));
        return known is null || known == text ? null : $"{Printable.Quote(text)}: methods are case-sensitive; write {known}";
    }

    private static string? ReadHeaderName(string text, out string name)
    {
        name = text.ToLowerInvariant();
        if (!HttpSyntax.IsToken(text))
            return $"{Printable.Quote(text)} is not the name of a header field";
        return name == "host" ? "the host is matched with the key host" : null;
    }

    private static string? ReadParameterName(string text, out string name)
    {
        name = text;
        return text.Length is > 0 and <= 256 ? null : "a query parameter has a name of up to 256 characters";
    }
}
