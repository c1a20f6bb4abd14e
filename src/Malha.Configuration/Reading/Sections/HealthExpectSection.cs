using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class HealthExpectSection
{
    private static readonly Shape<ConfigDictionary<ValueMatchConfig>> Headers = new MapShape<ValueMatchConfig>(
        "the name of a header field", HttpSyntax.TokenPattern, ReadHeaderName, ValueMatchSection.Shape);

    private static readonly Shape<ConfigDictionary<ValueMatchConfig>> Json = new MapShape<ValueMatchConfig>(
        "a JSON path such as $.status", @"^\$.*$", ReadJsonPath, ValueMatchSection.Shape);

    public static Section<HealthExpectConfig> Section { get; } =
        new Section<HealthExpectConfig>("a map: status, headers, body, json, within", _ => new HealthExpectConfig())
        .Optional("status", new StatusShape(), Defaults.HealthStatus, e => e.Status, (e, v) => e with { Status = v }, "The status of the answer.")
        .Optional("headers", Headers, "any", e => e.Headers.Count == 0 ? null : e.Headers, (e, v) => e with { Headers = v },
            "Header fields that it must have, or lack.")
        .Optional("body", Forms.AnyText, "any", e => e.Body.Length == 0 ? null : e.Body, (e, v) => e with { Body = v },
            "A text that the body contains, within its first 64 KiB.")
        .Optional("json", Json, "any", e => e.Json.Count == 0 ? null : e.Json, (e, v) => e with { Json = v },
            "What the body holds as JSON, by the path to a value: $.status, $.entries.db.status, $.nodes[0]['first name'].")
        .Optional("within", Forms.Duration, "the check's timeout", e => e.Within, (e, v) => e with { Within = v },
            "How soon the whole answer must be there; one that comes later fails the check.");

    private static string? ReadHeaderName(string text, out string name)
    {
        name = text.ToLowerInvariant();
        return HttpSyntax.IsToken(text) ? null : $"{Printable.Quote(text)} is not the name of a header field";
    }

    private static string? ReadJsonPath(string text, out string path)
    {
        path = text;
        return JsonPath.TryParse(text, out _, out var problem) ? null : $"{Printable.Quote(text)}: {problem}";
    }
}
