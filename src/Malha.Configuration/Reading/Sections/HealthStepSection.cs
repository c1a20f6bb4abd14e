using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class HealthStepSection
{
    private static readonly Shape<string> Method = new TextShape<string>("a method such as GET or POST", HttpSyntax.TokenPattern, ReadMethod, method => method);

    /// <summary>Path and query as they are sent.</summary>
    public static Shape<string> Path { get; } = new TextShape<string>("a path such as /health or /health?full=1", "^/.*$", ReadPath, path => path);

    public static Section<HealthStepConfig> Section { get; } =
        new Section<HealthStepConfig>("a request: method, path, headers, body, expect", _ => new HealthStepConfig { Path = "/" })
        .Required("path", Path, s => s.Path, (s, v) => s with { Path = v }, "What is asked for.")
        .Optional("method", Method, Defaults.HealthMethod, s => s.Method, (s, v) => s with { Method = v }, "The method, in capitals.")
        .Optional("headers", new HeaderListShape(HeaderUse.RequestSet), "none", s => s.Headers.Count == 0 ? null : s.Headers, (s, v) => s with { Headers = v },
            "Header fields of the request.")
        .Optional("body", Forms.AnyText, "none", s => s.Body.Length == 0 ? null : s.Body, (s, v) => s with { Body = v }, "The body, sent as UTF-8.")
        .Optional("expect", HealthExpectSection.Section, "all of its keys' defaults", s => s.Source.Says("expect") ? s.Expect : null, (s, v) => s with { Expect = v },
            "What the answer must be.");

    private static string? ReadMethod(string text, out string method)
    {
        method = text;
        return !HttpSyntax.IsToken(text) || text == "CONNECT" ? $"{Printable.Quote(text)} is not a method for a check"
            : text.Any(char.IsAsciiLetterLower) ? $"{Printable.Quote(text)}: methods are case-sensitive; write {text.ToUpperInvariant()}" : null;
    }

    private static string? ReadPath(string text, out string path)
    {
        path = text;
        return !text.StartsWith('/') || text.StartsWith("//", StringComparison.Ordinal) ? $"{Printable.Quote(text)} is not a path: it begins with one /"
            : text.Length > 2048 || text.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0 || text.Contains('#', StringComparison.Ordinal)
                ? $"{Printable.Quote(text)} is not a path as it stands in a request: up to 2048 printable ASCII characters, others escaped" : null;
    }
}
