using System.Net;
using System.Text.Json;

namespace Malha.Samples.Shop;

/// <summary>What came of asking another service: its answer, or why there is none in words for a person.</summary>
internal sealed record Reply<T>(HttpStatusCode? Status, T? Value, string? Problem)
    where T : class
{
    /// <summary>Whether the service could not be asked, as against an answer that we do not like.</summary>
    public bool IsOutage => Value is null && (Status is null || (int)Status >= 500 || Status == HttpStatusCode.TooManyRequests);
}

/// <summary>
/// The other services, as this one calls them: each at its own address, or all through one gateway when SHOP_GATEWAY names it. The calls are
/// plain HttpClient with its defaults, for whatever protects them is to be Malha's work.
/// </summary>
internal sealed class Neighbours : IDisposable
{
    private static readonly Dictionary<string, int> Ports = new()
    {
        ["web"] = 7101,
        ["orders"] = 7102,
        ["payments"] = 7103,
        ["inventory"] = 7104,
        ["notify"] = 7105,
    };

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });
    private readonly string? _gateway = Environment.GetEnvironmentVariable("SHOP_GATEWAY") is { Length: > 0 } url ? url.TrimEnd('/') : null;

    /// <summary>The port that a service has unless told otherwise; null when there is no such service.</summary>
    public static int? PortOf(string service) => Ports.TryGetValue(service, out var port) ? port : null;

    public void Dispose() => _client.Dispose();

    public Task<Reply<T>> Get<T>(string service, string path, CancellationToken cancellation)
        where T : class => Send<T>(new HttpRequestMessage(HttpMethod.Get, Address(service, path)), service, cancellation);

    public Task<Reply<T>> Post<T>(string service, string path, object body, string? idempotencyKey, CancellationToken cancellation)
        where T : class
    {
        var request = new HttpRequestMessage(HttpMethod.Post, Address(service, path)) { Content = JsonContent.Create(body, body.GetType(), options: Json) };
        if (idempotencyKey is not null)
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        return Send<T>(request, service, cancellation);
    }

    public Task<Reply<T>> Delete<T>(string service, string path, CancellationToken cancellation)
        where T : class => Send<T>(new HttpRequestMessage(HttpMethod.Delete, Address(service, path)), service, cancellation);

    private string Address(string service, string path) =>
        (_gateway ?? Environment.GetEnvironmentVariable("SHOP_" + service.ToUpperInvariant()) ?? $"http://127.0.0.1:{Ports[service]}") + path;

    private async Task<Reply<T>> Send<T>(HttpRequestMessage request, string service, CancellationToken cancellation)
        where T : class
    {
        try
        {
            using (request)
            {
                using var answer = await _client.SendAsync(request, cancellation);
                if (answer.IsSuccessStatusCode)
                    return new Reply<T>(answer.StatusCode, await answer.Content.ReadFromJsonAsync<T>(Json, cancellation), null);
                return new Reply<T>(answer.StatusCode, null, $"{service} answers {(int)answer.StatusCode}: {await Detail(answer, cancellation)}");
            }
        }
        catch (Exception error) when (error is HttpRequestException or IOException or JsonException
            || (error is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return new Reply<T>(null, null, $"{service} does not answer: {error.Message}");
        }
    }

    /// <summary>The sentence of a problem+json answer (RFC 9457), whoever gave it: the service or the gateway before it.</summary>
    private static async Task<string> Detail(HttpResponseMessage answer, CancellationToken cancellation)
    {
        var text = await answer.Content.ReadAsStringAsync(cancellation);
        try
        {
            using var problem = JsonDocument.Parse(text);
            foreach (var member in (string[])["detail", "title"])
            {
                if (problem.RootElement.ValueKind == JsonValueKind.Object && problem.RootElement.TryGetProperty(member, out var value)
                    && value.GetString() is { Length: > 0 } sentence)
                    return sentence;
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Not JSON, or a member of another type: the reason phrase must do.
        }

        return answer.ReasonPhrase ?? "no reason given";
    }
}
