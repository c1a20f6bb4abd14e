using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>Contradictions of a service's health checks, and endpoints that are there for nothing else.</summary>
internal static class HealthRules
{
    private const string Choice = "one of path, steps, grpc and tcp";
    private static readonly string[] Checks = ["path", "steps", "grpc", "tcp"];
    private static readonly string[] OnlyChecked = ["expect", "every", "timeout", "rise", "fall", "slowStart", "dependsOn"];
    private static readonly string[] OnlyHttp = ["status", "headers", "body", "json"];

    public static void Check(ServiceConfig service, MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        if (service.Source.IsBroken)
            return;
        CheckEndpoints(service, errors);
        if (service.Health is not { } health)
            return;

        CheckKind(service, health, errors);
        CheckExpect(health.Expect, health.Timeout, errors);
        foreach (var step in health.Steps)
            CheckExpect(step.Expect, health.Timeout, errors);
        foreach (var name in health.DependsOn)
            CheckDependency(service, health, name, config, errors, suggestion);
    }

    private static void CheckEndpoints(ServiceConfig service, ErrorList errors)
    {
        foreach (var endpoint in service.Endpoints)
        {
            if (endpoint.IsStore != service.IsStore)
                errors.Add(endpoint.Source, "a data store is a service of its own: its endpoints cannot stand beside those that requests go to");
            else if (!endpoint.IsStore && endpoint.Password is not null)
                errors.Add(endpoint.Source.Of("password"), "only a data store is asked for with a password");
        }

        if (service.IsStore && service.Health is null)
            errors.Add(service.Source, "a data store is there to be checked; add health", allowed: "health: {} for a check every 5s");
    }

    private static void CheckKind(ServiceConfig service, HealthConfig health, ErrorList errors)
    {
        var checks = Array.FindAll(Checks, health.Source.Says);
        if (service.IsStore)
        {
            foreach (var key in checks)
                errors.Add(health.Source.Of(key), $"a {service.Endpoints[0].Url.Scheme} endpoint is checked in its own way, so that {key} has no effect");
        }
        else if (checks.Length > 1)
            errors.Add(health.Source.Of(checks[1]), $"{checks[0]} already says what is checked", allowed: Choice);
        else if (checks.Length == 0)
            CheckPassive(health, errors);

        if (health.Source.Says("tcp") && !health.Tcp)
            errors.Add(health.Source.Of("tcp"), "tcp: false checks nothing; leave it out");
        if (health.Source.Says("query") && (service.Endpoints.Count == 0 || service.Endpoints[0].Url.Scheme != "postgres"))
            errors.Add(health.Source.Of("query"), "only a postgres endpoint is asked a query");
        if (health.Path is not null || (checks.Length == 0 && !service.IsStore))
            return;
        foreach (var key in OnlyHttp)
        {
            if (health.Expect.Source.Says(key))
                errors.Add(health.Expect.Source.Of(key), health.Steps.Count > 0 ? $"each step has its own expect; {key} has no effect here" : $"the check has no HTTP answer, so that {key} has no effect");
        }
        if (health.Steps.Count > 0 && health.Expect.Within is not null)
            errors.Add(health.Expect.Source.Of("within"), "each step has its own expect; within has no effect here");
    }

    // Without a check there is only ejection to be set.
    private static void CheckPassive(HealthConfig health, ErrorList errors)
    {
        var idle = Array.FindAll(OnlyChecked, health.Source.Says);
        if (idle.Length > 0)
            errors.Add(health.Source.Of(idle[0]), $"{idle[0]} has no effect: nothing is checked", allowed: Choice);
        else if (!health.Source.Says("ejection"))
            errors.Add(health.Source, "what is checked is missing", allowed: Choice);
    }

    private static void CheckExpect(HealthExpectConfig expect, TimeSpan timeout, ErrorList errors)
    {
        if (expect.Within is { } within && within > timeout)
            errors.Add(expect.Source.Of("within"), $"within ({Units.Format(within)}) is longer than the timeout of the check ({Units.Format(timeout)}), which ends it");
    }

    private static void CheckDependency(ServiceConfig service, HealthConfig health, string name, MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        var place = health.Source.Of("dependsOn");
        if (name == service.Name)
            errors.Add(place, "a service does not depend on itself");
        else if (!config.Services.TryGetValue(name, out var other))
            errors.Add(place, $"there is no service {Printable.Quote(name)}", suggestion.Nearest(name, config.Services.Keys));
        else if (!other.Source.IsBroken && !other.IsChecked)
            errors.Add(place, $"{name} is not checked itself, so that nobody knows when it is unhealthy; give it a health check");
    }
}
