using System.Globalization;
using System.Net;
using Malha.ControlPlane.Api;

namespace Malha.Cli.Admin;

/// <summary>
/// Where the admin API is and what opens it. The address: <c>--admin</c>, then <c>MALHA_ADMIN</c>, then the token file that a gateway of this user wrote at its start,
/// else this machine's port 9700. The token: <c>MALHA_TOKEN</c>, else that file.
/// </summary>
/// <param name="Url">Scheme, host and port.</param>
/// <param name="Token">Null when none was found.</param>
internal sealed record AdminAddress(Uri Url, string? Token)
{
    public const string Variable = "MALHA_ADMIN";
    public const string TokenVariable = "MALHA_TOKEN";

    /// <summary>Of the samples and of docs/configuration.md.</summary>
    private const int UsualPort = 9700;

    /// <summary>Finds it. Null with the problem: what was given is no address, or several gateways run and none was named.</summary>
    public static async Task<AdminAddress?> FindAsync(string? given, Func<string, string?> variable, Func<Uri, Task<bool>> answers, Action<string> tell)
    {
        var (text, origin) = given is not null ? (given, "--admin") : (variable(Variable), Variable);
        if (string.IsNullOrEmpty(text))
            return await FromFilesAsync(variable, answers, tell);
        if (Parse(text) is { } url)
            return new AdminAddress(url, TokenFor(url, variable));
        tell($"{origin} '{text}' is no address such as 127.0.0.1:9700 or http://gateway.example:9700");
        return null;
    }

    private static async Task<AdminAddress?> FromFilesAsync(Func<string, string?> variable, Func<Uri, Task<bool>> answers, Action<string> tell)
    {
        var here = AdminTokenFile.Ports().Select(LocalUrl).ToList();
        // A gateway that was killed leaves its file behind.
        if (here.Count > 1)
        {
            var alive = await Task.WhenAll(here.Select(answers));
            here = [.. here.Where((_, index) => alive[index])];
        }
        if (here.Count > 1)
        {
            tell($"several gateways run here; say which: {string.Join(", ", here.Select(url => $"--admin {url.Authority}"))}");
            return null;
        }
        var only = here.Count == 1 ? here[0] : LocalUrl(UsualPort);
        return new AdminAddress(only, TokenFor(only, variable));
    }

    // localhost, since the gateway may listen on either kind of loopback.
    private static Uri LocalUrl(int port) => new(string.Create(CultureInfo.InvariantCulture, $"http://localhost:{port}"));

    private static Uri? Parse(string text)
    {
        if (!text.Contains("://", StringComparison.Ordinal))
            text = "http://" + text;
        var isUrl = Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Host.Length > 0 && url.PathAndQuery == "/" && url.UserInfo.Length == 0;
        return isUrl ? url : null;
    }

    // The file's token is for this machine alone: whoever happens to have the same port elsewhere must not be told it.
    private static string? TokenFor(Uri url, Func<string, string?> variable)
    {
        if (variable(TokenVariable) is { Length: > 0 } token)
            return token;
        var isHere = url.Host == "localhost" || (IPAddress.TryParse(url.Host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
        return isHere ? AdminTokenFile.Read(url.Port) : null;
    }
}
