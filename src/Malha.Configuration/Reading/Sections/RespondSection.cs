using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class RespondSection
{
    private static readonly Shape<string> ContentType = new TextShape<string>(
        "a media type such as text/plain; charset=utf-8", "^[^/ ]+/[^/ ]+( *;.*)?$", ReadContentType, type => type);

    public static Section<FixedAnswerConfig> Section { get; } =
        new Section<FixedAnswerConfig>("a map: status, body, contentType, headers", _ => new FixedAnswerConfig())
        .Optional("status", Forms.Integer(200, 599), Defaults.RespondStatus, r => r.Status, (r, v) => r with { Status = v },
            "The status of the answer.")
        .Optional("body", Forms.AnyText, "an empty one", r => r.Body.Length == 0 ? null : r.Body, (r, v) => r with { Body = v },
            "The body, sent as UTF-8.")
        .Optional("contentType", ContentType, Defaults.RespondContentType, r => r.ContentType, (r, v) => r with { ContentType = v },
            "The type of the body.")
        .Optional("headers", new HeaderListShape(HeaderUse.Respond), "none",
            r => r.Headers.Count == 0 ? null : r.Headers, (r, v) => r with { Headers = v },
            "Further header fields.");

    private static string? ReadContentType(string text, out string type)
    {
        type = text;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var end = text.IndexOf(';', StringComparison.Ordinal);
        var essence = (end < 0 ? text : text[..end]).TrimEnd(' ');
        return slash > 0 && slash < essence.Length && HttpSyntax.IsToken(essence[..slash]) && HttpSyntax.IsToken(essence[(slash + 1)..])
            && HttpSyntax.WhyNoFieldValue(text) is null ? null : $"{Printable.Quote(text)} is not a media type";
    }
}
