using Malha.Configuration.Reading;
using Malha.Configuration.Reading.Sections;
using Malha.Configuration.Reading.Shapes;
using Malha.Resilience;

namespace Malha.Configuration.Validation;

/// <summary>
/// What the keys of one policy say together. Each policy knows itself what it can work with (<c>Validate</c>); here its options get the names and
/// the places of their keys.
/// </summary>
internal static class PolicyRules
{
    public static void CheckCapacity(Policy<RateLimitOptions> item, ErrorList errors) =>
        Report(item.Value.Validate(), item.Source, errors, option => option switch
        {
            nameof(RateLimitOptions.Limit) => new("rate"),
            nameof(RateLimitOptions.Burst) => new("burst"),
            _ => default,
        });

    public static void CheckConcurrency(Policy<ConcurrencyLimitOptions> item, ErrorList errors)
    {
        var (initial, min, max) = (item.Value.Initial, item.Value.Min, item.Value.Max);
        Report(item.Value.Validate(), item.Source, errors, option => option switch
        {
            nameof(ConcurrencyLimitOptions.Min) => new("min"),
            nameof(ConcurrencyLimitOptions.Max) => new("max", $"max ({max}) is less than min ({min})", "min"),
            // Of bounds that exclude each other the error above is enough.
            nameof(ConcurrencyLimitOptions.Initial) when max < min => Said.Already,
            nameof(ConcurrencyLimitOptions.Initial) => initial < min
                ? new("initial", $"initial ({initial}) is less than min ({min})", "min")
                : new("initial", $"initial ({initial}) is more than max ({max})", "max"),
            _ => default,
        });
    }

    public static void CheckRetry(Policy<RetrySettings> item, ErrorList errors)
    {
        var retry = item.Value.Retry;
        Report(retry.Validate(), item.Source, errors, option => option switch
        {
            nameof(RetryOptions.Attempts) => new("attempts"),
            nameof(RetryOptions.Backoff) => new("backoff"),
            nameof(RetryOptions.Base) => new("base"),
            nameof(RetryOptions.Max) => new("max", $"max ({Units.Format(retry.Max)}) is shorter than base ({Units.Format(retry.Base)})", "base"),
            _ => default,
        });
    }

    public static void CheckBudget(Policy<RetryBudgetOptions> item, ErrorList errors)
    {
        Report(item.Value.Validate(), item.Source, errors, option => option switch
        {
            nameof(RetryBudgetOptions.Ratio) => new("ratio"),
            nameof(RetryBudgetOptions.FloorPerSecond) => new("floor"),
            _ => default,
        });
        if (item.Value is { Ratio: 0, FloorPerSecond: 0 })
            errors.Add(item.Source, "with neither ratio nor floor no attempt could ever be paid for; to turn retries off write retry: off");
    }

    public static void CheckThrottle(Policy<ThrottleOptions> item, ErrorList errors) =>
        Report(item.Value.Validate(), item.Source, errors, option => option switch
        {
            nameof(ThrottleOptions.Multiplier) => new("below", "must be at least 1%"),
            nameof(ThrottleOptions.Window) => new("window"),
            _ => default,
        });

    public static void CheckHedge(Policy<HedgingOptions> item, ErrorList errors) =>
        Report(item.Value.Validate(), item.Source, errors, option => option switch
        {
            nameof(HedgingOptions.Delay) => new("delay"),
            nameof(HedgingOptions.Hedges) => new("hedges"),
            _ => default,
        });

    public static void CheckBreaker(Policy<BreakerOptions> item, ErrorList errors)
    {
        var breaker = item.Value;
        Report(breaker.Validate(), item.Source, errors, option => option switch
        {
            nameof(BreakerOptions.FailureRatio) => new("failures"),
            nameof(BreakerOptions.Consecutive) => new("consecutive"),
            nameof(BreakerOptions.SlowOver) => new("slow.over"),
            nameof(BreakerOptions.SlowRatio) => new("slow.rate"),
            nameof(BreakerOptions.Window) => new("window"),
            nameof(BreakerOptions.Minimum) => new("minimum"),
            nameof(BreakerOptions.Open) => new("open"),
            nameof(BreakerOptions.OpenMax) => new("open", "the longest is shorter than the first"),
            nameof(BreakerOptions.Probes) => new("probes"),
            nameof(BreakerOptions.ProbeSuccesses) =>
                new("successes", $"successes ({breaker.ProbeSuccesses}) are more than probes ({breaker.Probes})"),
            nameof(BreakerOptions.Ramp) => new("ramp"),
            _ => default,
        });
        if (breaker is { FailureRatio: null, Consecutive: null, SlowOver: null })
            errors.Add(item.Source, "all its rules are off, so that nothing could ever open it; to turn it off write breaker: off");
    }

    private static void Report(IEnumerable<OptionError> faults, SourceSpan source, ErrorList errors, Func<string, Said> words)
    {
        foreach (var (option, problem) in faults)
        {
            var said = words(option);
            if (said == Said.Already)
                continue;
            if (said.Key is null)
                errors.Add(source, $"{option} {problem}");
            else
                errors.Add(source.Of(said.OtherKey is { } other && !source.Says(said.Key) ? other : said.Key), said.Problem ?? problem);
        }
    }

    /// <summary>How the file calls an option.</summary>
    /// <param name="Key">Its key; null: it has none.</param>
    /// <param name="Problem">What is wrong, in words of the file; null: what the policy says.</param>
    /// <param name="OtherKey">The key that is to blame when the file leaves this one out.</param>
    private readonly record struct Said(string? Key, string? Problem = null, string? OtherKey = null)
    {
        /// <summary>For what another error says too.</summary>
        public static Said Already { get; } = new("", "");
    }
}
