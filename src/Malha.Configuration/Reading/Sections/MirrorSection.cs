using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class MirrorSection
{
    private static readonly Shape<string> ServiceName = new TextShape<string>("the name of a service", Forms.NamePattern, Forms.ReadName, name => name);

    public static Section<MirrorConfig> Section { get; } = new Section<MirrorConfig>("a map: service, share, most", _ => new MirrorConfig())
        .Required("service", ServiceName, m => m.Service, (m, v) => m with { Service = v }, "The service that gets the copies.")
        .Optional("share", Forms.SomeShare, Defaults.MirrorShare, m => m.Share, (m, v) => m with { Share = v }, "The share of requests that are copied.")
        .Optional("most", Forms.Integer(1, 10_000), Defaults.MirrorMost, m => m.Most, (m, v) => m with { Most = v },
            "The most copies under way at a time; requests beyond it are not copied.");
}
