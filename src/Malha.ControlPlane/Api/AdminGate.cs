using System.Net;
using Malha.Configuration;
using Microsoft.AspNetCore.Http;

namespace Malha.ControlPlane.Api;

/// <summary>
/// Who may ask what. Probes may always. Everything else must name a host of ours (a page that rebinds its name to our address cannot) and
/// not come from another origin; what changes something, or comes from elsewhere than this machine, needs the token.
/// </summary>
internal static class AdminGate
{
    private const string Scheme = "Bearer ";

    /// <param name="context">The request.</param>
    /// <param name="next">The resource.</param>
    /// <param name="config">The settings in force.</param>
    /// <param name="token">The token in force; null when there is none, and nothing that needs it is allowed.</param>
    public static Task PassAsync(HttpContext context, RequestDelegate next, AdminConfig config, Secret? token)
    {
        var request = context.Request;
        if (IsProbe(request))
            return next(context);
        if (!IsOurs(request.Host, context.Connection.LocalIpAddress, config.AllowedHosts))
        {
            return ApiProblem.Make(403, "host-not-allowed", "The admin API does not answer to this host",
                $"Host '{request.Host}' is neither a loopback name, the address itself, nor in admin.allowedHosts.").ExecuteAsync(context);
        }
        if (request.Headers.Origin.Count > 0 && !IsSameOrigin(request))
        {
            return ApiProblem.Make(403, "origin-not-allowed", "The admin API does not answer to pages of other origins",
                $"Origin '{request.Headers.Origin}' is not that of Host '{request.Host}'.").ExecuteAsync(context);
        }
        if ((IsReading(request) && IsLocal(context.Connection)) || HasToken(request, token))
            return next(context);

        context.Response.Headers.WWWAuthenticate = "Bearer realm=\"malha admin\"";
        var why = token is null ? "There is no token: none is configured, and none could be written at the start."
            : "Authorization: Bearer with the value of admin.token, or of the file that was written at the start, is missing or wrong.";
        return ApiProblem.Make(401, "token-needed", "This needs the admin token", why).ExecuteAsync(context);
    }

    // They say nothing but yes or no, and whoever probes knows neither our names nor the token.
    private static bool IsProbe(HttpRequest request) => IsReading(request) && (request.Path == "/livez" || request.Path == "/readyz");

    private static bool IsReading(HttpRequest request) => HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);

    private static bool IsLocal(ConnectionInfo connection) =>
        connection.RemoteIpAddress is { } remote && connection.LocalIpAddress is { } local && IPAddress.IsLoopback(remote) && IPAddress.IsLoopback(local);

    private static bool IsOurs(HostString host, IPAddress? local, ConfigList<string> allowed)
    {
        var name = host.Host.TrimStart('[').TrimEnd(']');
        if (name.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            return true;
        // An address cannot be rebound: that takes a name.
        if (IPAddress.TryParse(name, out var address) && (IPAddress.IsLoopback(address) || address.Equals(Plain(local))))
            return true;
        return allowed.Contains(name.ToLowerInvariant());
    }

    private static IPAddress? Plain(IPAddress? address) => address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;

    private static bool IsSameOrigin(HttpRequest request) =>
        request.Headers.Origin.Count == 1 && string.Equals(request.Headers.Origin[0], $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase);

    private static bool HasToken(HttpRequest request, Secret? token)
    {
        var header = request.Headers.Authorization;
        return token is not null && header.Count == 1 && header[0] is { } text && text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && token.Matches(text.AsSpan(Scheme.Length).Trim());
    }
}
