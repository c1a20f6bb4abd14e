using Malha.Configuration;
using Malha.ControlPlane.Api.Views;
using Malha.Proxy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Malha.ControlPlane.Api;

/// <summary>The configuration in force, and reading it again.</summary>
internal static class ConfigEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/api/v1/config", Config).ProducesProblem(400).WithTags("config");
        app.MapPost("/api/v1/config/reload", ReloadAsync).ProducesProblem(401).ProducesProblem(409).ProducesProblem(422).WithTags("config");
    }

    [EndpointSummary("The configuration in force: each setting with its value and where it comes from. Secrets are not shown.")]
    internal static Results<Ok<ConfigView>, ProblemHttpResult> Config(GatewayHost gateway, string? path, int? limit, string? after)
    {
        var model = gateway.Plane.Model;
        var settings = path is null ? ConfigExplainer.List(model.Config) : ConfigExplainer.List(model.Config, path);
        var page = Paging.Cut(settings, setting => setting.Path, setting => new SettingView(setting.Path, setting.Value, setting.Origin), limit, after, out var problem);
        if (page is null)
            return problem!;
        var source = model.Config.Source;
        return TypedResults.Ok(new ConfigView(
            model.Version, source.Line > 0 ? source.File : null, gateway.LoadedAt, gateway.LastReload is { } last ? View(last) : null, page));
    }

    [EndpointSummary("Reads the file again and brings it into force. What is not good changes nothing, and the answer (422) says all that is wrong.")]
    internal static async Task<Results<Ok<ReloadView>, ProblemHttpResult>> ReloadAsync(ConfigReloader reloader)
    {
        if (await reloader.ReloadAsync() is not { } status)
            return ApiProblem.Make(409, "no-file", "There is no file to read again", "The gateway was started from the command line alone (--upstream).");
        return status.IsGood
            ? TypedResults.Ok(View(status))
            : ApiProblem.Make(422, "reload-refused", "The configuration was not changed", $"{status.Problems.Count} problem(s); version {status.Version} stays in force.", status.Problems);
    }

    private static ReloadView View(ReloadStatus status) => new(status.At, status.IsGood, status.Version, status.Problems);
}

/// <summary>Reads the configuration again on demand; does nothing for a gateway without a file.</summary>
internal sealed class ConfigReloader(ConfigFileWatcher? watcher)
{
    public Task<ReloadStatus?> ReloadAsync() => watcher?.ReloadAsync() ?? Task.FromResult<ReloadStatus?>(null);
}
