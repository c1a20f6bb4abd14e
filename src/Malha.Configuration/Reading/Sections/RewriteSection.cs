using System.Globalization;
using Malha.Configuration.Reading.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class RewriteSection
{
    private static readonly Shape<string> Prefix = new TextShape<string>("a path without parameters, such as /v2, or / for nothing", "^/", ReadPrefix, prefix => prefix);

    private static readonly Shape<RewritePath> Path = new TextShape<RewritePath>(
        "a path with {path}, {rest} or the {name} of a parameter, such as /v2{rest} or /orders/{id}", "^[/{]", ReadPath, path => path.Text);

    private static readonly Shape<string> Host = new TextShape<string>(
        $"a host such as orders.internal or orders.internal:8080, or {RewriteConfig.EndpointHost}", "^.+$", ReadHost, host => host);

    public static Section<RewriteConfig> Section { get; } = new Section<RewriteConfig>("a map: prefix or path, host", _ => new RewriteConfig())
        .Optional("prefix", Prefix, "it stays", r => r.Prefix, (r, v) => r with { Prefix = v },
            "Instead of what stands before /** in the route's path; / takes it away.")
        .Optional("path", Path, "it stays", r => r.Path, (r, v) => r with { Path = v },
            "The whole path. {path} is the request's, {rest} what /** took (both with their slash), {name} what the parameter took. The query stays.")
        .Optional("host", Host, "the client's", r => r.Host, (r, v) => r with { Host = v },
            $"The host that the service is asked for; {RewriteConfig.EndpointHost} is that of the endpoint. X-Forwarded-Host tells the client's.");

    private static string? ReadPrefix(string text, out string prefix)
    {
        prefix = text;
        if (!PathPattern.TryParse(text, out var pattern, out var problem))
            return $"{Printable.Quote(text)}: {problem}";
        if (pattern.Kind != PathPatternKind.Exact)
            return $"{Printable.Quote(text)}: a prefix has no parameters; write path for that";
        return text.Length > 1 && text.EndsWith('/') ? $"{Printable.Quote(text)}: what follows begins with a slash itself; write {text.TrimEnd('/')}" : null;
    }

    private static string? ReadPath(string text, out RewritePath path)
    {
        var read = RewritePath.TryParse(text, out var found, out var problem);
        path = found!;
        return read ? null : $"{Printable.Quote(text)}: {problem}";
    }

    private static string? ReadHost(string text, out string host)
    {
        host = text;
        if (text == RewriteConfig.EndpointHost)
            return null;
        var colon = text.LastIndexOf(':');
        var hasPort = colon > text.LastIndexOf(']');
        if (HttpSyntax.ReadHost(hasPort ? text[..colon] : text, out var name) is { } problem)
            return problem;
        host = hasPort ? name + text[colon..] : name;
        return hasPort && !(ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0)
            ? $"{Printable.Quote(text)} has no port from 1 to 65535" : null;
    }
}
