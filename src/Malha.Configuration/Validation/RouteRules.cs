using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>References and contradictions of routes.</summary>
internal static class RouteRules
{
    private const int NamesShown = 10;

    /// <summary>Of shares that are written with a few digits.</summary>
    private const double RoundingError = 1e-9;

    private const string Choice = "one of service, split, redirect and respond";
    private static readonly string[] Actions = ["service", "split", "redirect", "respond"];
    private static readonly string[] ServiceOnly = ["timeout", "attemptTimeout", "idleTimeout", "maxDuration", "maxBody", "retry", "hedge", "bufferRequests", "rewrite", "mirror", "defer"];

    public static void Check(MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        var names = new Dictionary<string, SourceSpan>(StringComparer.Ordinal);
        var coverage = new RouteCoverage(errors);
        foreach (var route in config.Routes)
        {
            if (route.Name is { } name && !names.TryAdd(name, route.Source))
                errors.Add(route.Source.Of("name"), $"{name} is the name of {names[name].Path} ({names[name]}) too");

            CheckAction(route, config, errors, suggestion);
            CheckCallers(route, config, errors, suggestion);
            CheckRewrite(route, errors);
            if (route.Defer is { } defer && config.Delivery is null)
                errors.Add(defer.Source, "nothing can be kept without delivery", allowed: "delivery: { path: … } at the top of the file");
            CheckEdits(route.Headers.Request, errors);
            CheckEdits(route.Headers.Response, errors);
            coverage.Add(route);
        }
    }

    private static void CheckAction(RouteConfig route, MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        var actions = Array.FindAll(Actions, route.Source.Says);
        if (actions.Length == 0)
            errors.Add(route.Source, "what happens to the request is missing", allowed: Choice);
        foreach (var action in actions.AsSpan(Math.Min(1, actions.Length)))
            errors.Add(route.Source.Of(action), $"{actions[0]} already says what happens to the request", allowed: Choice);

        if (route.Service is { } name)
            CheckService(route, name, route.Source.Of("service"), config, errors, suggestion);
        else if (actions.Contains("split"))
            CheckSplit(route, config, errors, suggestion);
        else if (!actions.Contains("service"))
            CheckWithoutService(route, errors);
        if (route.SplitOn is not null && !actions.Contains("split"))
            errors.Add(route.Source.Of("splitOn"), "splitOn has no effect without split");
        if (route.Mirror is { Source.IsBroken: false } mirror && route.Services.Any())
            CheckMirror(route, mirror, config, errors, suggestion);

        if (route.Respond is { Status: 204 or 205 or 304, Body.Length: > 0 } respond && !respond.Source.IsBroken)
            errors.Add(respond.Source.Of("body"), $"an answer with status {respond.Status} has no body");
    }

    private static void CheckService(RouteConfig route, string name, SourceSpan place, MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        if (!IsService(name, place, config, errors, suggestion, out var service))
            return;
        if (!service.Source.IsBroken && (route.Timeout is not null || route.AttemptTimeout is not null))
            ServiceRules.CheckTimeouts(route.Timeout ?? service.Timeout, route.AttemptTimeout ?? service.AttemptTimeout, route.Source, errors);
    }

    private static bool IsService(string name, SourceSpan place, MalhaConfig config, ErrorList errors, Suggestion suggestion, [NotNullWhen(true)] out ServiceConfig? service)
    {
        if (!config.Services.TryGetValue(name, out service))
        {
            errors.Add(place, $"there is no service {Printable.Quote(name)}", suggestion.Nearest(name, config.Services.Keys),
                Shown([.. config.Services.Keys], "a name that stands under services"));
            return false;
        }
        if (service.IsStore && !service.Source.IsBroken)
            errors.Add(place, $"{name} is a data store ({service.Endpoints[0].Url.Scheme}), which is only checked; no request can go there");
        return true;
    }

    private static void CheckSplit(RouteConfig route, MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        var place = route.Source.Of("split");
        foreach (var name in route.Split.Keys)
            CheckService(route, name, place, config, errors, suggestion);
        var sum = route.Split.Values.Sum();
        if (route.Split.Count > 0 && !route.Source.IsBroken && Math.Abs(sum - 1) > RoundingError)
            errors.Add(place, $"the shares are {Units.FormatShare(sum)} in sum", allowed: "shares that are 100% in sum");
    }

    private static void CheckMirror(RouteConfig route, MirrorConfig mirror, MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        var place = mirror.Source.Of("service");
        if (IsService(mirror.Service, place, config, errors, suggestion, out _) && route.Service == mirror.Service)
            errors.Add(place, $"the route's requests go to {mirror.Service} already");
    }

    private static void CheckCallers(RouteConfig route, MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        if (route.Auth == AuthKind.Required && config.Clients.All(client => client.Any && !client.Source.IsBroken))
            errors.Add(route.Source.Of("auth"), "nobody can be recognised, so that every request would be answered 401", allowed: "a client under clients that is not any");
        var names = config.Clients.Select(client => client.Name).ToArray();
        foreach (var name in route.Allow)
        {
            if (!names.Contains(name))
                errors.Add(route.Source.Of("allow"), $"there is no client {Printable.Quote(name)}", suggestion.Nearest(name, names), Shown(names, "a name that stands under clients"));
        }
        foreach (var limit in route.Limits ?? [])
            ClientRules.CheckLimit(limit, errors);
    }

    /// <summary>The first of a list of names, or what to say when there are none.</summary>
    public static string Shown(IReadOnlyCollection<string> names, string none) =>
        names.Count == 0 ? none : string.Join(", ", names.Take(NamesShown)) + (names.Count > NamesShown ? ", …" : "");

    private static void CheckWithoutService(RouteConfig route, ErrorList errors)
    {
        foreach (var key in ServiceOnly)
        {
            if (route.Source.Says(key))
                errors.Add(route.Source.Of(key), $"{key} has no effect without service");
        }

        if (!route.Headers.Request.IsEmpty)
            errors.Add(route.Headers.Source.Of("request"), "no request goes on without service, so that there is nothing to change");
    }

    private static void CheckRewrite(RouteConfig route, ErrorList errors)
    {
        if (route.Rewrite is not { } rewrite || rewrite.Source.IsBroken)
            return;
        if (rewrite is { Prefix: null, Path: null, Host: null })
            errors.Add(rewrite.Source, "nothing is rewritten", allowed: "prefix or path, host");
        if (rewrite is { Prefix: not null, Path: not null })
            errors.Add(rewrite.Source.Of("path"), "prefix already says what becomes of the path", allowed: "prefix or path");
        if (rewrite.Host is not null && route.Headers.Request.Set.Any(field => field.Name.Equals("Host", StringComparison.OrdinalIgnoreCase)))
            errors.Add(rewrite.Source.Of("host"), "headers.request sets Host too");

        var pattern = route.Match.Path;
        if (route.Match.Source.IsBroken)
            return;
        if (rewrite.Prefix is not null && !pattern.TakesRest)
            errors.Add(rewrite.Source.Of("prefix"), $"the route's path ({pattern}) does not end in /**, so that it has no prefix; write path");
        foreach (var part in rewrite.Path?.Parts ?? [])
        {
            if (part.Kind == RewritePartKind.Rest && !pattern.TakesRest)
                errors.Add(rewrite.Source.Of("path"), $"{{rest}} is what /** takes, and the route's path ({pattern}) does not end in it");
            if (part.Kind == RewritePartKind.Parameter && !pattern.Segments.Any(one => one.Kind == PathSegmentKind.Parameter && one.Text == part.Text))
                errors.Add(rewrite.Source.Of("path"), $"the route's path ({pattern}) has no parameter {{{part.Text}}}");
        }
    }

    private static void CheckEdits(HeaderEditConfig edit, ErrorList errors)
    {
        if (edit.Remove.Count == 0 || edit.Set.Count == 0)
            return;
        var removed = new HashSet<string>(edit.Remove, StringComparer.OrdinalIgnoreCase);
        foreach (var field in edit.Set)
        {
            if (removed.Contains(field.Name))
                errors.Add(field.Source, $"{field.Name} is removed and set; set replaces what is there");
        }
    }
}
