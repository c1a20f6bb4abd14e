namespace Malha.Resilience.Http;

/// <summary>
/// What calls of one <see cref="HttpClient"/> are protected by; the same settings, with the same defaults, as a service's in the gateway. Null leaves a policy
/// out. Settings of a policy that is there may change while the program runs; adding one or taking one out takes a restart.
/// </summary>
public sealed class HttpResilienceOptions
{
    /// <summary>Bodies up to this size are kept, so that the request can be sent again.</summary>
    public const int DefaultReplayBytes = 64 * 1024;

    /// <summary>Until the head of the final answer, waiting, retries and back-off included. <see cref="HttpClient.Timeout"/> (100 s) is around it.</summary>
    public TimeSpan Timeout { get; set; } = Defaults.Timeout;

    /// <summary>For each attempt; null: what the call has left.</summary>
    public TimeSpan? AttemptTimeout { get; set; }

    /// <summary>For requests that may be executed twice (GET, HEAD, OPTIONS, TRACE, PUT, DELETE, or with an <c>Idempotency-Key</c>), or that were never sent.</summary>
    public RetryOptions? Retry { get; set; } = new();

    /// <summary>From which retries and hedges are paid, for each host and port.</summary>
    public RetryBudgetOptions? Budget { get; set; } = new();

    /// <summary>Off unless given.</summary>
    public HedgingOptions? Hedging { get; set; }

    /// <summary>
    /// One for each host and port. Off unless given, as in the gateway: the limit on what is in flight protects the service and is back within a second or two
    /// after a short stall, where a breaker takes its open time and its ramp. It is for services whose failures take long, or do harm.
    /// </summary>
    public BreakerOptions? Breaker { get; set; }

    /// <summary>How many attempts may be in flight at a host and port: found, or fixed; with a short queue, and a capacity if one is known.</summary>
    public AdmissionOptions? Concurrency { get; set; } = new() { StartingFor = TimeSpan.FromSeconds(2) };

    /// <summary>
    /// Holds back what the service would refuse with 429 or 503 anyhow. Off unless given: it is for callers with many requests, since of a single one that
    /// was refused the formula makes a chance of one half to refuse the next.
    /// </summary>
    public ThrottleOptions? Throttle { get; set; }

    /// <summary>Bodies up to so many bytes are kept for another attempt.</summary>
    public int ReplayBytes { get; set; } = DefaultReplayBytes;

    /// <summary>
    /// Tells the service how much time is left (<c>Malha-Timeout</c>, in milliseconds) and which attempt it is (<c>Malha-Attempt</c>). For services behind
    /// Malha.
    /// </summary>
    public bool SendMalhaHeaders { get; set; }

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var errors = ToPipeline().Validate().Select(error => error with { Option = Written(error.Option) }).ToList();
        if (ReplayBytes < 0)
            errors.Add(new OptionError(nameof(ReplayBytes), "must not be negative"));
        return errors;
    }

    internal ResiliencePipelineOptions ToPipeline() => new()
    {
        Deadline = new DeadlineOptions { Timeout = Timeout, AttemptTimeout = AttemptTimeout },
        Retry = Retry,
        Budget = Budget,
        Hedging = Hedging,
        Breaker = Breaker,
        Admission = Concurrency,
        Throttle = Throttle,
    };

    /// <summary>The names that the pipeline has for them, as they are called here.</summary>
    private static string Written(string option) =>
        option.Replace("Deadline.", "", StringComparison.Ordinal).Replace("Admission.", "Concurrency.", StringComparison.Ordinal);
}
