using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class HealthSection
{
    private static readonly Shape<string> GrpcName = new TextShape<string>(
        "the full name of a gRPC service such as shop.Orders, or \"\" for the server as a whole", "^[A-Za-z0-9_./-]{0,256}$", ReadGrpcName, name => name);

    private static readonly Shape<string> Query = new TextShape<string>(
        "an SQL query", null, ReadQuery, query => query);

    private static readonly Shape<string> ServiceName = new TextShape<string>("the name of a service", Forms.NamePattern, Forms.ReadName, name => name);

    public static Section<HealthConfig> Section { get; } =
        new Section<HealthConfig>("a map: path, expect, steps, grpc, tcp, every, …", _ => new HealthConfig())
        .Optional("path", HealthStepSection.Path, "see steps, grpc and tcp", h => h.Path, (h, v) => h with { Path = v },
            "What a check asks for with GET; short for a single step.")
        .Optional("expect", HealthExpectSection.Section, "all of its keys' defaults", h => h.Source.Says("expect") ? h.Expect : null, (h, v) => h with { Expect = v },
            "What the answer to path must be. Of checks that are not HTTP only within counts.")
        .Optional("steps", new ListShape<HealthStepConfig>(HealthStepSection.Section, least: 1), "see path, grpc and tcp",
            h => h.Steps.Count == 0 ? null : h.Steps, (h, v) => h with { Steps = v },
            "Requests one after the other; the first that fails fails the check.")
        .Optional("grpc", GrpcName, "see path, steps and tcp", h => h.Grpc, (h, v) => h with { Grpc = v },
            "The service that the standard gRPC health protocol (grpc.health.v1) is asked for, over HTTP/2.")
        .Optional("tcp", Forms.Boolean, "see path, steps and grpc", h => h.Tcp ? true : null, (h, v) => h with { Tcp = v },
            "Whether a connection that can be opened is health enough.")
        .Optional("query", Query, Defaults.HealthQuery, h => h.Query, (h, v) => h with { Query = v },
            "What a postgres endpoint is asked; it must return without an error.")
        .Optional("every", Forms.Duration, Defaults.HealthEvery, h => h.Every, (h, v) => h with { Every = v },
            "From one check of an endpoint to its next, give or take 10%. The first is made at once.")
        .Optional("timeout", Forms.Duration, Defaults.HealthTimeout, h => h.Timeout, (h, v) => h with { Timeout = v },
            "How long a whole check may take.")
        .Optional("rise", Forms.Integer(1, 100), Defaults.HealthRise, h => h.Rise, (h, v) => h with { Rise = v },
            "Successes in a row that make an unhealthy endpoint healthy.")
        .Optional("fall", Forms.Integer(1, 100), Defaults.HealthFall, h => h.Fall, (h, v) => h with { Fall = v },
            "Failures in a row that make a healthy endpoint unhealthy; the very first check decides alone.")
        .Optional("slowStart", new OrOffShape<TimeSpan>(Forms.Duration), Defaults.HealthSlowStart, h => h.SlowStart, (h, v) => h with { SlowStart = v },
            "How long a recovered endpoint takes from a tenth of its weight to all of it.")
        .Optional("ejection", Forms.Boolean, Defaults.HealthEjection, h => h.Ejection, (h, v) => h with { Ejection = v },
            "Whether an endpoint whose real traffic fails much more than that of the others is left out for a while.")
        .Optional("dependsOn", new ListShape<string>(ServiceName, isSet: true), "none", h => h.DependsOn.Count == 0 ? null : h.DependsOn,
            (h, v) => h with { DependsOn = v },
            "Checked services that this one needs; when one is unhealthy, failed checks are put down to it.");

    private static string? ReadGrpcName(string text, out string name)
    {
        name = text;
        return text.Length <= 256 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/')
            ? null : $"{Printable.Quote(text)} is not the name of a gRPC service";
    }

    private static string? ReadQuery(string text, out string query)
    {
        query = text;
        return text.Length is > 0 and <= 4096 ? null : "a query has 1 to 4096 characters";
    }
}
