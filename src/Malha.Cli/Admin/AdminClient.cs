using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Malha.ControlPlane.Api;

namespace Malha.Cli.Admin;

/// <summary>What the admin API answered, or why there is no answer.</summary>
/// <param name="Code">The command's exit code: 0 for a good answer.</param>
/// <param name="Body">The JSON of the answer, a problem document included; null when there is none.</param>
/// <param name="Problem">What to tell the user; null for a good answer.</param>
internal sealed record AdminReply(int Code, string? Body, string? Problem)
{
    public T Read<T>(JsonTypeInfo<T> type) => JsonSerializer.Deserialize(Body!, type)!;
}

/// <summary>Asks a running gateway. What goes wrong is an answer too: exit code and words.</summary>
internal sealed class AdminClient(AdminAddress address) : IDisposable
{
    /// <summary>A gateway that lives answers in milliseconds.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private const int PageSize = Paging.MaxLimit;

    private readonly HttpClient _http = Make(Patience);

    public Uri Url => address.Url;

    /// <summary>Whether somebody answers there.</summary>
    public static async Task<bool> AnswersAsync(Uri url)
    {
        using var http = Make(TimeSpan.FromSeconds(1));
        try
        {
            using var answer = await http.GetAsync(new Uri(url, "/livez"));
            return true;
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }

    public Task<AdminReply> GetAsync(string path, CancellationToken cancellation) => SendAsync(HttpMethod.Get, path, null, cancellation);

    public async Task<AdminReply> SendAsync(HttpMethod method, string path, HttpContent? body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, new Uri(address.Url, path)) { Content = body };
        // Reading on this machine is free; the token is shown only where it is asked for.
        if (address.Token is not null && (method != HttpMethod.Get || !address.Url.IsLoopback))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", address.Token);
        try
        {
            using var response = await _http.SendAsync(request, cancellation);
            return Judge(response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsStringAsync(cancellation));
        }
        catch (HttpRequestException exception)
        {
            return NotReached((exception.InnerException ?? exception).Message);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return NotReached($"no answer within {Patience.TotalSeconds} s");
        }
    }

    /// <summary>All pages of a list. The reply is the first that was not good, or the last.</summary>
    public async Task<(AdminReply Reply, List<T> Items)> ListAsync<T>(string path, JsonTypeInfo<Page<T>> type, CancellationToken cancellation)
    {
        var items = new List<T>();
        string? after = null;
        while (true)
        {
            var reply = await GetAsync($"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}limit={PageSize}{(after is null ? "" : "&after=" + Uri.EscapeDataString(after))}", cancellation);
            if (reply.Code != Usage.Done)
                return (reply, items);
            var page = reply.Read(type);
            items.AddRange(page.Items);
            after = page.Next;
            if (after is null)
                return (reply, items);
        }
    }

    public void Dispose() => _http.Dispose();

    private static HttpClient Make(TimeSpan patience) => new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false }) { Timeout = patience };

    private AdminReply NotReached(string why) => new(
        Usage.CannotReach, null,
        $"cannot reach the admin API at {address.Url.GetLeftPart(UriPartial.Authority)}: {why}\n"
        + $"       is a gateway running whose file has 'admin: {{ address: … }}'? --admin ADDRESS:PORT or {AdminAddress.Variable} says where");

    private AdminReply Judge(HttpStatusCode status, string? type, string body)
    {
        if ((int)status is >= 200 and < 300 && type == "application/json")
            return new AdminReply(Usage.Done, body, null);
        if (type != "application/problem+json" || Detail(body) is not { } detail)
            return new AdminReply(Usage.CannotReach, null, $"{address.Url.GetLeftPart(UriPartial.Authority)} answers {(int)status}, and not as Malha's admin API does");
        return status switch
        {
            HttpStatusCode.Unauthorized => new AdminReply(
                Usage.CannotReach, body,
                $"the gateway does not take the token: {(address.Token is null ? "there is none" : "it is wrong")}\n"
                + $"       give the value of admin.token in {AdminAddress.TokenVariable}, or run this as the user who runs the gateway"),
            HttpStatusCode.BadRequest or HttpStatusCode.NotFound or HttpStatusCode.Conflict or HttpStatusCode.UnprocessableEntity => new AdminReply(Usage.Bad, body, detail),
            _ => new AdminReply(Usage.CannotReach, body, detail),
        };
    }

    private static string? Detail(string body)
    {
        try
        {
            using var problem = JsonDocument.Parse(body);
            return problem.RootElement.TryGetProperty("detail", out var detail) ? detail.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
