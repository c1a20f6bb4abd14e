using Malha.Resilience;

namespace Malha.Samples.Outage;

/// <summary>The three clients. Each waits 1 s for an attempt and makes at most four.</summary>
internal static class Clients
{
    public const string Blind = "HttpClient, three retries at once";
    public const string Standard = "Microsoft.Extensions.Http.Resilience";
    public const string Malha = "Malha.Resilience.Http";
    private const int Attempts = 4;
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    public static IHttpClientFactory Build()
    {
        var services = new ServiceCollection();
        services.AddHttpClient(Blind).AddHttpMessageHandler(() => new BlindRetries());
        services.AddHttpClient(Standard).AddStandardResilienceHandler(options =>
        {
            options.AttemptTimeout.Timeout = AttemptTimeout;
            options.TotalRequestTimeout.Timeout = Timeout;
            options.Retry.MaxRetryAttempts = Attempts - 1;
        });
        services.AddHttpClient(Malha).AddMalhaResilience(options =>
        {
            options.AttemptTimeout = AttemptTimeout;
            options.Timeout = Timeout;
            options.Retry = new RetryOptions { Attempts = Attempts };
        });
        return services.BuildServiceProvider().GetRequiredService<IHttpClientFactory>();
    }

    /// <summary>What everybody writes first.</summary>
    private sealed class BlindRetries : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            for (var attempt = 1; ; attempt++)
            {
                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                timeout.CancelAfter(AttemptTimeout);
                try
                {
                    return await base.SendAsync(request, timeout.Token);
                }
                catch (Exception problem) when (attempt < Attempts && problem is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
                {
                    // Once more.
                }
            }
        }
    }
}
