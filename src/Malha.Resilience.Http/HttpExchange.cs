using System.Net.Http.Headers;

namespace Malha.Resilience.Http;

/// <summary>One request on its way through the policies.</summary>
internal sealed class HttpExchange(HttpRequestMessage request, Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> send, HttpResilienceOptions options)
{
    private static readonly HashSet<HttpMethod> IdempotentMethods =
        [HttpMethod.Get, HttpMethod.Head, HttpMethod.Options, HttpMethod.Trace, HttpMethod.Put, HttpMethod.Delete];

    public const string AttemptHeader = "Malha-Attempt";
    public const string TimeoutHeader = "Malha-Timeout";

    /// <summary>It may be executed twice.</summary>
    public bool IsIdempotent { get; } = IdempotentMethods.Contains(request.Method) || request.Headers.Contains("Idempotency-Key");

    /// <summary>Its body is at hand for another attempt.</summary>
    public bool CanReplay { get; private set; }

    /// <summary>By when the caller needs the answer.</summary>
    public required Deadline Deadline { get; init; }

    public required Clock Clock { get; init; }

    /// <summary>Holds a small body whole, so that it can be sent again. A stream of unknown length is sent as it comes, once.</summary>
    public async ValueTask PrepareAsync(CancellationToken cancellation)
    {
        switch (request.Content)
        {
            case null or ByteArrayContent or ReadOnlyMemoryContent or System.Net.Http.Json.JsonContent:
                CanReplay = true;
                break;
            case { Headers.ContentLength: { } length } content when length <= options.ReplayBytes:
                await content.LoadIntoBufferAsync(options.ReplayBytes, cancellation).ConfigureAwait(false);
                CanReplay = true;
                break;
        }
    }

    public Task<HttpResponseMessage> SendAsync(int number, CancellationToken cancellation)
    {
        // Handlers below may change what they are given (a redirect changes the address): each attempt gets a copy of what the caller made, when there may be several.
        var attempt = CanReplay ? Copy() : request;
        if (options.SendMalhaHeaders)
        {
            Set(attempt.Headers, AttemptHeader, number);
            if (Deadline.ToWire(Clock.Now) is { } left)
                Set(attempt.Headers, TimeoutHeader, left);
        }

        return send(attempt, cancellation);
    }

    private static void Set(HttpRequestHeaders headers, string name, long value)
    {
        headers.Remove(name);
        headers.TryAddWithoutValidation(name, value.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Never disposed: it shares the caller's body.</summary>
    private HttpRequestMessage Copy()
    {
        var copy = new HttpRequestMessage(request.Method, request.RequestUri)
        {
            Content = request.Content,
            Version = request.Version,
            VersionPolicy = request.VersionPolicy,
        };
        foreach (var (name, values) in request.Headers.NonValidated)
            copy.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values);
        IDictionary<string, object?> options = copy.Options;
        foreach (var option in request.Options)
            options[option.Key] = option.Value;
        return copy;
    }
}
