using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class RouteSection
{
    private static readonly Shape<string> ServiceName = new TextShape<string>("the name of a service", Forms.NamePattern, Forms.ReadName, name => name);

    public static Section<RouteConfig> Section { get; } = new Section<RouteConfig>("a route: match, and service, redirect or respond", _ => new RouteConfig())
        .Optional("name", Forms.Name, "none", r => r.Name, (r, v) => r with { Name = v }, "A name for logs and metrics.")
        .Optional("match", RouteMatchSection.Section, "every request", r => r.Match, (r, v) => r with { Match = v }, "Which requests it takes; all that is given must hold.")
        .Optional("service", ServiceName, null, r => r.Service, (r, v) => r with { Service = v }, "The service that the request goes to.")
        .Optional("redirect", RedirectSection.Section, null, r => r.Redirect, (r, v) => r with { Redirect = v },
            "An answer that sends the client elsewhere.")
        .Optional("respond", RespondSection.Section, null, r => r.Respond, (r, v) => r with { Respond = v }, "An answer that Malha gives itself.")
        .Optional("headers", HeaderRulesSection.Section, "no changes", r => r.Headers.IsEmpty ? null : r.Headers, (r, v) => r with { Headers = v }, "Changes to header fields.")
        .Optional("timeout", Forms.Duration, "the service's", r => r.Timeout, (r, v) => r with { Timeout = v }, "Instead of the service's timeout.")
        .Optional("attemptTimeout", Forms.Duration, "the service's", r => r.AttemptTimeout, (r, v) => r with { AttemptTimeout = v }, "Instead of the service's attemptTimeout.")
        .Optional("bufferRequests", Forms.Size(0, 16 << 20), Defaults.BufferRequests, r => r.BufferRequests, (r, v) => r with { BufferRequests = v },
            "How much of a request's body is read and checked before the first byte goes to the service.")
        .NotYet("auth", "validate", "defer", "split", "mirror", "rewrite");
}

internal static class RedirectSection
{
    private static readonly Shape<RedirectTarget> Target = new TextShape<RedirectTarget>(
        "an http:// or https:// URL or a path, with {host}, {path} and {query} for the request's", "^(https?://|/).*$", ReadTarget, target => target.Text);

    public static Section<RedirectConfig> Section { get; } = new Section<RedirectConfig>("a map: to, status", _ => new RedirectConfig())
        .Required("to", Target, r => r.To, (r, v) => r with { To = v },
            "The target. {host} is the request's host without port, {path} its path, {query} its query with the question mark.")
        .Optional("status", new IntegerShape(301, 308, 301, 302, 303, 307, 308), Defaults.RedirectStatus, r => r.Status, (r, v) => r with { Status = v },
            "The status of the answer.");

    private static string? ReadTarget(string text, out RedirectTarget target)
    {
        var read = RedirectTarget.TryParse(text, out var found, out var problem);
        target = found!;
        return read ? null : problem;
    }
}

internal static class RespondSection
{
    private static readonly Shape<string> ContentType = new TextShape<string>(
        "a media type such as text/plain; charset=utf-8", "^[^/ ]+/[^/ ]+( *;.*)?$", ReadContentType, type => type);

    public static Section<FixedAnswerConfig> Section { get; } = new Section<FixedAnswerConfig>("a map: status, body, contentType, headers", _ => new FixedAnswerConfig())
        .Optional("status", Forms.Integer(200, 599), Defaults.RespondStatus, r => r.Status, (r, v) => r with { Status = v }, "The status of the answer.")
        .Optional("body", Forms.AnyText, "an empty one", r => r.Body.Length == 0 ? null : r.Body, (r, v) => r with { Body = v }, "The body, sent as UTF-8.")
        .Optional("contentType", ContentType, Defaults.RespondContentType, r => r.ContentType, (r, v) => r with { ContentType = v }, "The type of the body.")
        .Optional("headers", new HeaderListShape(HeaderUse.Respond), "none", r => r.Headers.Count == 0 ? null : r.Headers, (r, v) => r with { Headers = v }, "Further header fields.");

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

internal static class HeaderRulesSection
{
    private static readonly Section<HeaderEditConfig> Request = Edit(HeaderUse.RequestAdd, HeaderUse.RequestSet, HeaderUse.RequestRemove);

    private static readonly Section<HeaderEditConfig> Response = Edit(HeaderUse.Response, HeaderUse.Response, HeaderUse.Response);

    public static Section<HeaderRulesConfig> Section { get; } = new Section<HeaderRulesConfig>("a map: request, response", _ => new HeaderRulesConfig())
        .Optional("request", Request, "no changes", h => h.Request.IsEmpty ? null : h.Request, (h, v) => h with { Request = v }, "Changes to the request that goes to the service.")
        .Optional("response", Response, "no changes", h => h.Response.IsEmpty ? null : h.Response, (h, v) => h with { Response = v }, "Changes to the response that goes to the client.");

    private static Section<HeaderEditConfig> Edit(HeaderUse add, HeaderUse set, HeaderUse remove)
    {
        string? ReadName(string text, out string name)
        {
            name = text.ToLowerInvariant();
            return HeaderRules.WhyNot(text, remove);
        }

        var names = new ListShape<string>(new TextShape<string>("the name of a header field", HttpSyntax.TokenPattern, ReadName, name => name), isSet: true);
        return new Section<HeaderEditConfig>("a map: add, set, remove", _ => new HeaderEditConfig())
            .Optional("remove", names, "none", h => h.Remove.Count == 0 ? null : h.Remove, (h, v) => h with { Remove = v }, "Fields that are taken out, first of all.")
            .Optional("set", new HeaderListShape(set), "none", h => h.Set.Count == 0 ? null : h.Set, (h, v) => h with { Set = v }, "Fields that replace those of the same name.")
            .Optional("add", new HeaderListShape(add), "none", h => h.Add.Count == 0 ? null : h.Add, (h, v) => h with { Add = v }, "Fields that are appended, last of all.");
    }
}
