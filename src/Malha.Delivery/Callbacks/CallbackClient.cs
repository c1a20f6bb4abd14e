using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Transport;

namespace Malha.Delivery.Callbacks;

/// <summary>
/// Posts a message. Redirects are not followed and no proxy is asked; names are resolved here, and the connection goes to the very address that was judged, so that no second answer of
/// a name server comes in between. Of the answer only the head is read.
/// </summary>
/// <param name="config">The keys in force.</param>
/// <param name="time">Whose time.</param>
/// <param name="resolve">Asks for a name's addresses.</param>
internal sealed class CallbackClient(Func<CallbacksConfig?> config, TimeProvider time, Func<string, CancellationToken, Task<IPAddress[]>> resolve) : IDisposable
{
    private const int HeadKilobytes = 16;
    private const int DrainBytes = 16 << 10;
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ConnectionIdle = TimeSpan.FromSeconds(15);
    // A name that moves, or a network that is allowed no more, is noticed by then.
    private static readonly TimeSpan ConnectionAge = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private HttpMessageInvoker? _invoker;

    public async Task<CallbackOutcome> SendAsync(CallbackMessage message, CallbacksConfig settings, CancellationToken stopping)
    {
        if (message.Url.Scheme != Uri.UriSchemeHttps && !settings.AllowsHttp)
            return new CallbackOutcome(0, "http-refused");
        if (!settings.Ports.Contains(message.Url.Port))
            return new CallbackOutcome(0, "port-refused");
        using var patience = new CancellationTokenSource(settings.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, patience.Token);
        using var request = Write(message, settings);
        try
        {
            using var response = await Invoker().SendAsync(request, either.Token);
            return new CallbackOutcome((int)response.StatusCode, "", response.Headers.RetryAfter?.Delta);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            return new CallbackOutcome(0, "timed-out");
        }
        catch (HttpRequestException failure)
        {
            return new CallbackOutcome(0, ProblemOf(failure));
        }
    }

    public void Dispose() => _invoker?.Dispose();

    private HttpRequestMessage Write(CallbackMessage message, CallbacksConfig settings)
    {
        var timestamp = time.GetUtcNow().ToUnixTimeSeconds();
        var keys = settings.Secrets.Select(secret => WebhookSecret.TryRead(secret.Reveal(), out var key) ? key : []);
        var request = new HttpRequestMessage(HttpMethod.Post, message.Url)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(message.Payload) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        request.Headers.TryAddWithoutValidation("User-Agent", "Malha");
        request.Headers.TryAddWithoutValidation("webhook-id", message.Id);
        request.Headers.TryAddWithoutValidation("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation("webhook-signature", WebhookSignature.Of(keys, message.Id, timestamp, message.Payload));
        return request;
    }

    private HttpMessageInvoker Invoker()
    {
        lock (_lock)
        {
            return _invoker ??= new HttpMessageInvoker(new SocketsHttpHandler
            {
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                ActivityHeadersPropagator = null,
                AutomaticDecompression = DecompressionMethods.None,
                MaxResponseHeadersLength = HeadKilobytes,
                MaxResponseDrainSize = DrainBytes,
                ResponseDrainTimeout = DrainTime,
                PooledConnectionIdleTimeout = ConnectionIdle,
                PooledConnectionLifetime = ConnectionAge,
                ConnectCallback = async (context, cancellation) => await ConnectAsync(context.DnsEndPoint, cancellation),
            });
        }
    }

    private async Task<OffEngineStream> ConnectAsync(DnsEndPoint to, CancellationToken cancellation)
    {
        var found = IPAddress.TryParse(to.Host.Trim('[', ']'), out var literal) ? [literal] : await resolve(to.Host, cancellation);
        IReadOnlyList<IPNetwork> allowed = config()?.Networks ?? [];
        var good = found.Where(address => AddressGuard.Allows(address, allowed)).ToArray();
        if (good.Length == 0)
            throw found.Length > 0 ? new RefusedAddressException() : new SocketException((int)SocketError.HostNotFound);
        for (var index = 0; ; index++)
        {
            try
            {
                return await OffEngineStream.ConnectAsync(new IPEndPoint(good[index], to.Port), cancellation);
            }
            catch (SocketException) when (index + 1 < good.Length)
            {
                // The next one, then.
            }
        }
    }

    private static string ProblemOf(HttpRequestException failure)
    {
        for (Exception? cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is RefusedAddressException)
                return CallbackOutcome.Refused;
        }
        return failure.HttpRequestError switch
        {
            HttpRequestError.NameResolutionError => "name-not-resolved",
            HttpRequestError.SecureConnectionError => "tls-failed",
            HttpRequestError.ConnectionError => "connection-failed",
            HttpRequestError.ConfigurationLimitExceeded => "answer-too-large",
            _ => failure.InnerException is SocketException ? "connection-failed" : "no-answer",
        };
    }

    /// <summary>Leaves .NET's client by exception; it is a value from there on.</summary>
    private sealed class RefusedAddressException : IOException;
}
