namespace Malha.Resilience;

/// <summary>What a call within a program is protected by; null leaves a policy out.</summary>
public sealed record ResiliencePipelineOptions
{
    public DeadlineOptions? Deadline { get; init; } = new();

    public RetryOptions? Retry { get; init; } = new();

    public RetryBudgetOptions? Budget { get; init; } = new();

    public BreakerOptions? Breaker { get; init; } = new();

    /// <summary>How many attempts may be in flight; what does not fit is refused at once.</summary>
    public ConcurrencyLimitOptions? Limit { get; init; }

    /// <summary>The same with a short queue before it, and a capacity. One of the two.</summary>
    public AdmissionOptions? Admission { get; init; }

    /// <summary>Holds back what the service would refuse anyhow.</summary>
    public ThrottleOptions? Throttle { get; init; }

    /// <summary>A second attempt beside a first that takes long; paid from the budget. For calls that may run twice.</summary>
    public HedgingOptions? Hedging { get; init; }

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate() =>
    [
        .. Inside(nameof(Deadline), Deadline?.Validate()),
        .. Inside(nameof(Retry), Retry?.Validate()),
        .. Inside(nameof(Budget), Budget?.Validate()),
        .. Inside(nameof(Breaker), Breaker?.Validate()),
        .. Inside(nameof(Limit), Limit?.Validate()),
        .. Inside(nameof(Admission), Admission?.Validate()),
        .. Inside(nameof(Throttle), Throttle?.Validate()),
        .. Inside(nameof(Hedging), Hedging?.Validate()),
        .. Limit is not null && Admission is not null ? [new OptionError(nameof(Admission), "must not stand beside Limit: it holds a limit of its own")] : Array.Empty<OptionError>(),
    ];

    private static IEnumerable<OptionError> Inside(string policy, IReadOnlyList<OptionError>? errors) =>
        errors?.Select(error => error with { Option = $"{policy}.{error.Option}" }) ?? [];
}
