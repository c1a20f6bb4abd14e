using System.Net;
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
        .Optional("clients", ClientSection.Shape, "nobody is told apart", c => ClientSection.ByName(c.Clients, client => client.Name),
            (c, v) => c with { Clients = [.. v.Values] },
            "Who calls, by name, and how much it may; the first match wins.")
        .Optional("classes", Forms.Named(ClassSection.Section), "all clients are alike", c => ClientSection.ByName(c.Classes, one => one.Name),
            (c, v) => c with { Classes = [.. v.Values] },
            "Classes of clients with their shares of each service's concurrency, the most important first.")
        .Optional("trustedMalha", new ListShape<IPNetwork>(Forms.Network, isSet: true), Defaults.TrustedMalha,
            c => c.TrustedMalha, (c, v) => c with { TrustedMalha = v },
            "Peers whose Malha-Timeout, Malha-Attempt and Malha-Class are believed; everybody else's are dropped.")
        .Optional("services", Forms.Named(ServiceSection.Section), "no services", c => c.Services, (c, v) => c with { Services = v },
            "The services behind Malha, by name.")
        .Optional("dns", DnsSection.Section, "all of its keys' defaults", c => c.Dns, (c, v) => c with { Dns = v },
            "How the endpoints are found that stand as dns:// or srv:// in the file.")
        .Optional("routes", new ListShape<RouteConfig>(RouteSection.Section), "no routes: every request is answered 404",
            c => c.Routes, (c, v) => c with { Routes = v },
            "Which request goes where; the most specific match wins, and the first of equally specific ones.")
        .Optional("limits", LimitsSection.Section, "each gateway counts its own limits", c => c.Limits, (c, v) => c with { Limits = v },
            "Where gateways count limits together.")
        .Optional("protection", ProtectionSection.Section, "all of its keys' defaults", c => c.Protection, (c, v) => c with { Protection = v },
            "What the gateway may use of its machine before it protects itself.")
        .Optional("accessLog", AccessLogSection.Section, "all of its keys' defaults", c => c.AccessLog, (c, v) => c with { AccessLog = v },
            "The line that is written for each request.")
        .Optional("telemetry", TelemetrySection.Section, "traces and metrics are not sent", c => c.Telemetry, (c, v) => c with { Telemetry = v },
            "Where traces and metrics are sent to, over OTLP.")
        .Optional("delivery", DeliverySection.Section, "nothing is accepted for later", c => c.Delivery, (c, v) => c with { Delivery = v },
            "The durable lane: where requests are kept that are accepted for later.");
}
