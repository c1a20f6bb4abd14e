using Malha.Configuration.Reading.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class RedirectSection
{
    private static readonly Shape<RedirectTarget> Target = new TextShape<RedirectTarget>(
        "an http:// or https:// URL or a path, with {host}, {path} and {query} for the request's",
        "^(https?://|/).*$", ReadTarget, target => target.Text);

    public static Section<RedirectConfig> Section { get; } = new Section<RedirectConfig>("a map: to, status", _ => new RedirectConfig())
        .Required("to", Target, r => r.To, (r, v) => r with { To = v },
            "The target. {host} is the request's host without port, {path} its path, {query} its query with the question mark.")
        .Optional("status", new IntegerShape(301, 308, 301, 302, 303, 307, 308), Defaults.RedirectStatus,
            r => r.Status, (r, v) => r with { Status = v },
            "The status of the answer.");

    private static string? ReadTarget(string text, out RedirectTarget target)
    {
        var read = RedirectTarget.TryParse(text, out var found, out var problem);
        target = found!;
        return read ? null : problem;
    }
}
