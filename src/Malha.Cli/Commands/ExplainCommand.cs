using System.CommandLine;
using System.Text.Json;
using Malha.Configuration;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;

namespace Malha.Cli.Commands;

/// <summary><c>malha explain METHOD URL</c>: which route, service, policies and endpoints a request would meet, without sending it.</summary>
internal static class ExplainCommand
{
    public static Command Build()
    {
        var method = new Argument<string>("METHOD") { Description = "For example GET" };
        var url = new Argument<string>("URL") { Description = "A URL, or a path with --header 'Host: …'" };
        var file = new Option<string>("--file") { Description = "The configuration (./malha.yaml)", HelpName = "FILE", DefaultValueFactory = _ => "malha.yaml" };
        var headers = new Option<string[]>("--header", "-H") { Description = "A header of the request", HelpName = "'NAME: VALUE'" };
        var client = new Option<string>("--client") { Description = "Who calls, by its name in the file: shows its class, its limits and whether it may", HelpName = "NAME" };
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("explain", "Show which route, service, policies and endpoints a request would meet") { method, url, file, headers, client, json };
        command.SetAction(parsed => Run(
            parsed.GetValue(method)!, parsed.GetValue(url)!, parsed.GetValue(file)!, parsed.GetValue(headers) ?? [], parsed.GetValue(client), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string method, string url, string file, string[] headers, string? client, bool json)
    {
        var result = MalhaConfigReader.ReadFile(file);
        if (result.Config is not { } config)
        {
            foreach (var error in result.Errors)
                Console.Error.WriteLine(error);
            return result.IsUnreadable ? Usage.CannotReach : Usage.Bad;
        }

        if (client is not null && config.Clients.All(one => one.Name != client))
        {
            Console.Error.WriteLine($"there is no client '{client}' in {file}; there are: {string.Join(", ", config.Clients.Select(one => one.Name).DefaultIfEmpty("none"))}");
            return Usage.WrongUsage;
        }

        var (host, target) = Split(url);
        var sketch = RequestSketch.Make(method, host, target, headers);
        var explanation = sketch.Fault == HttpFault.None ? RouteTable.Build(config.Routes).Explain(sketch.Head) : null;
        var caller = client is null ? null : CallerExplanation.Make(config, client, explanation?.Match.Route);
        if (json)
            WriteJson(sketch, explanation, caller, config);
        else
            WriteText($"{method} {url}", sketch, explanation, caller, config);
        return explanation?.Match.Route is null || caller is { IsRefused: true } ? Usage.Bad : Usage.Done;
    }

    // Host and target of a URL, without what Uri would tidy up: dots and escapes are what one may ask about.
    private static (string Host, string Target) Split(string url)
    {
        var scheme = url.IndexOf("://", StringComparison.Ordinal);
        if (scheme < 0)
            return url.StartsWith('/') || url == "*" ? ("", url) : (url.Split('/', 2)[0], "/" + (url.Split('/', 2) is [_, var rest] ? rest : ""));
        var start = scheme + 3;
        var end = url.IndexOfAny(['/', '?'], start);
        if (end < 0)
            return (url[start..], "/");
        return (url[start..end], url[end] == '/' ? url[end..] : "/" + url[end..]);
    }

    private static void WriteText(string request, RequestSketch sketch, RouteExplanation? explanation, CallerExplanation? caller, MalhaConfig config)
    {
        Console.WriteLine(request);
        caller?.WriteText();
        if (explanation is null)
        {
            Console.WriteLine($"  refused   {sketch.Fault.Status()} by the guard: {sketch.Fault.Describe()}");
            return;
        }
        if (explanation.Match.Route is not { } route)
        {
            Console.WriteLine(explanation.Match.Outcome == RouteOutcome.MethodNotAllowed
                ? $"  refused   405: only {string.Join(", ", explanation.Allow)}"
                : "  refused   404: no route matches");
            WriteCandidates(explanation);
            return;
        }

        Console.WriteLine($"  route     {route.Name}  ({route.Config.Source})");
        if (!route.Config.Services.Any())
            Console.WriteLine(route.Respond is { } answer ? $"  answer    {answer.Status}, by the route itself" : $"  redirect  {route.Redirect!.Status} to {route.Config.Redirect!.To}");
        WriteRewrite(route, sketch.Head);
        foreach (var name in route.Config.Services)
            WriteService(name, route, config);
        if (route.Config.Mirror is { } mirror)
            Console.WriteLine($"  mirror    {mirror.Share * 100:0.###}% of the requests are copied to {mirror.Service}");
        SettingLines.Write(Console.Out, [.. Settings(route, config)]);
        WriteCandidates(explanation);
    }

    private static void WriteService(string name, RouteModel route, MalhaConfig config)
    {
        var service = config.Services[name];
        var share = route.Config.Split.TryGetValue(name, out var part) ? $"{part * 100:0.###}% of {route.Config.SplitOn?.ToString() ?? "the requests"}  " : "";
        Console.WriteLine($"  service   {name}  {share}({service.Source})");
        foreach (var endpoint in service.Endpoints)
            Console.WriteLine($"  endpoint  {endpoint.Text}");
        if (service.Health is { } health)
            Console.WriteLine($"  health    {health.Describe()}");
    }

    private static void WriteRewrite(RouteModel route, RequestHead head)
    {
        if (route.Rewrite is null)
            return;
        var fault = route.Rewrite.Describe(head, out var target, out var host);
        if (fault != HttpFault.None)
            Console.WriteLine($"  refused   {fault.Status()} by {route.RewriteRule}, whose result is no target: {fault.Describe()}");
        if (target is not null)
            Console.WriteLine($"  target    {target}");
        if (host is not null)
            Console.WriteLine($"  host      {host}");
    }

    private static void WriteCandidates(RouteExplanation explanation)
    {
        if (explanation.Candidates.Count == 0)
            return;
        Console.WriteLine("  routes in the order in which they are asked:");
        foreach (var candidate in explanation.Candidates)
            Console.WriteLine($"    {candidate.Route.Name,-20} {candidate.Reason}");
    }

    private static IEnumerable<EffectiveSetting> Settings(RouteModel route, MalhaConfig config)
    {
        var ofRoute = ConfigExplainer.List(config, route.Config.Source.Path).Where(setting => !setting.Path.Contains(".match", StringComparison.Ordinal));
        return ofRoute.Concat(route.Config.Services.SelectMany(service => ConfigExplainer.List(config, config.Services[service].Source.Path)));
    }

    private static void WriteJson(RequestSketch sketch, RouteExplanation? explanation, CallerExplanation? caller, MalhaConfig config)
    {
        using var writer = new Utf8JsonWriter(Console.OpenStandardOutput(), new JsonWriterOptions { Indented = true });
        writer.WriteStartObject();
        caller?.WriteJson(writer);
        if (explanation is null)
        {
            writer.WriteNumber("status", sketch.Fault.Status());
            writer.WriteString("fault", sketch.Fault.Describe());
        }
        else
        {
            writer.WriteString("outcome", explanation.Match.Outcome.ToString());
            writer.WriteString("route", explanation.Match.Route?.Name);
            var services = explanation.Match.Route?.Config.Services.ToArray() ?? [];
            writer.WriteString("service", explanation.Match.Route?.Config.Service);
            WriteList(writer, "services", services);
            WriteList(writer, "endpoints", services.SelectMany(service => config.Services[service].Endpoints).Select(endpoint => endpoint.Text));
            writer.WriteString("mirror", explanation.Match.Route?.Config.Mirror?.Service);
            WriteRewriteJson(writer, explanation.Match.Route, sketch.Head);
            WriteList(writer, "allow", explanation.Allow);
            writer.WriteStartArray("settings");
            foreach (var setting in explanation.Match.Route is { } route ? Settings(route, config) : [])
            {
                writer.WriteStartObject();
                writer.WriteString("path", setting.Path);
                writer.WriteString("value", setting.Value);
                writer.WriteString("origin", setting.Origin);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteStartArray("candidates");
            foreach (var candidate in explanation.Candidates)
            {
                writer.WriteStartObject();
                writer.WriteString("route", candidate.Route.Name);
                writer.WriteString("verdict", candidate.Verdict.ToString());
                writer.WriteString("reason", candidate.Reason);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        }
        writer.WriteEndObject();
        writer.Flush();
        Console.WriteLine();
    }

    private static void WriteRewriteJson(Utf8JsonWriter writer, RouteModel? route, RequestHead head)
    {
        if (route?.Rewrite is not { } rewrite)
            return;
        var fault = rewrite.Describe(head, out var target, out var host);
        if (fault != HttpFault.None)
            writer.WriteString("fault", fault.Describe());
        if (target is not null)
            writer.WriteString("target", target);
        if (host is not null)
            writer.WriteString("host", host);
    }

    private static void WriteList(Utf8JsonWriter writer, string name, IEnumerable<string> items)
    {
        writer.WriteStartArray(name);
        foreach (var item in items)
            writer.WriteStringValue(item);
        writer.WriteEndArray();
    }
}
