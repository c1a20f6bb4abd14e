using Malha.Configuration.Reading.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class HeaderRulesSection
{
    private static readonly Section<HeaderEditConfig> Request = Edit(HeaderUse.RequestAdd, HeaderUse.RequestSet, HeaderUse.RequestRemove);

    private static readonly Section<HeaderEditConfig> Response = Edit(HeaderUse.Response, HeaderUse.Response, HeaderUse.Response);

    public static Section<HeaderRulesConfig> Section { get; } =
        new Section<HeaderRulesConfig>("a map: request, response", _ => new HeaderRulesConfig())
        .Optional("request", Request, "no changes", h => h.Request.IsEmpty ? null : h.Request, (h, v) => h with { Request = v },
            "Changes to the request that goes to the service.")
        .Optional("response", Response, "no changes", h => h.Response.IsEmpty ? null : h.Response, (h, v) => h with { Response = v },
            "Changes to the response that goes to the client.");

    private static Section<HeaderEditConfig> Edit(HeaderUse add, HeaderUse set, HeaderUse remove)
    {
        string? ReadName(string text, out string name)
        {
            name = text.ToLowerInvariant();
            return HeaderRules.WhyNot(text, remove);
        }

        var name = new TextShape<string>("the name of a header field", HttpSyntax.TokenPattern, ReadName, name => name);
        var names = new ListShape<string>(name, isSet: true);
        return new Section<HeaderEditConfig>("a map: add, set, remove", _ => new HeaderEditConfig())
            .Optional("remove", names, "none", h => h.Remove.Count == 0 ? null : h.Remove, (h, v) => h with { Remove = v },
            "Fields that are taken out, first of all.")
            .Optional("set", new HeaderListShape(set), "none", h => h.Set.Count == 0 ? null : h.Set, (h, v) => h with { Set = v },
            "Fields that replace those of the same name.")
            .Optional("add", new HeaderListShape(add), "none", h => h.Add.Count == 0 ? null : h.Add, (h, v) => h with { Add = v },
            "Fields that are appended, last of all.");
    }
}
