using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

/// <summary>The file as a whole.</summary>
internal static class FileSection
{
    public static Section<MalhaConfig> Section { get; } =
        new Section<MalhaConfig>("the configuration: listeners, services, routes", _ => new MalhaConfig())
        .Required("listeners", Forms.Named(ListenerSection.Section, least: 1), c => c.Listeners, (c, v) => c with { Listeners = v },
            "Where clients connect, by name.")
        .Optional("admin", AdminSection.Section, "no admin API", c => c.Admin, (c, v) => c with { Admin = v },
            "The admin API with metrics and dashboard.")
        .Optional("services", Forms.Named(ServiceSection.Section), "no services", c => c.Services, (c, v) => c with { Services = v },
            "The services behind Malha, by name.")
        .Optional("routes", new ListShape<RouteConfig>(RouteSection.Section), "no routes: every request is answered 404",
            c => c.Routes, (c, v) => c with { Routes = v },
            "Which request goes where; the most specific match wins, and the first of equally specific ones.")
        .Optional("accessLog", AccessLogSection.Section, "all of its keys' defaults", c => c.AccessLog, (c, v) => c with { AccessLog = v },
            "The line that is written for each request.")
        .NotYet("clients", "classes", "trustedMalha", "limits", "delivery");
}
