namespace Malha.Resilience;

/// <summary>What a call within a program is protected by; null leaves a policy out.</summary>
public sealed record ResiliencePipelineOptions
{
    public DeadlineOptions? Deadline { get; init; } = new();

    public RetryOptions? Retry { get; init; } = new();

    public RetryBudgetOptions? Budget { get; init; } = new();

    public BreakerOptions? Breaker { get; init; } = new();

    public ConcurrencyLimitOptions? Limit { get; init; }

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate() =>
    [
        .. Inside(nameof(Deadline), Deadline?.Validate()),
        .. Inside(nameof(Retry), Retry?.Validate()),
        .. Inside(nameof(Budget), Budget?.Validate()),
        .. Inside(nameof(Breaker), Breaker?.Validate()),
        .. Inside(nameof(Limit), Limit?.Validate()),
    ];

    private static IEnumerable<OptionError> Inside(string policy, IReadOnlyList<OptionError>? errors) =>
        errors?.Select(error => error with { Option = $"{policy}.{error.Option}" }) ?? [];
}
