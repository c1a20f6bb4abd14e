namespace Malha.Resilience;

/// <summary>How the delay before a retry is computed.</summary>
public enum BackoffKind
{
    None = 0,
    Linear = 1,
    Exponential = 2,

    /// <summary>Full jitter: evenly between 0 and the exponential delay, at the cap too. The default.</summary>
    ExponentialJitter = 3,

    /// <summary>Half fixed, half drawn. For comparison in the lab.</summary>
    EqualJitter = 4,

    /// <summary>Drawn from the delay before. For comparison in the lab.</summary>
    DecorrelatedJitter = 5,
}

/// <summary>
/// The delays of "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015). The first retry is number 1, and
/// <c>expo(n) = min(max, base·2ⁿ)</c>: none 0 · linear min(max, base·n) · exponential expo(n) · full jitter U(0, expo) · equal expo/2 + U(0, expo/2) ·
/// decorrelated min(max, U(base, 3·previous)), starting from the base.
/// </summary>
public static class Backoff
{
    public static TimeSpan Delay(BackoffKind kind, int retry, TimeSpan previous, RetryOptions options, Chance chance)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(chance);
        return kind switch
        {
            BackoffKind.None => TimeSpan.Zero,
            BackoffKind.Linear => Linear(retry, options),
            BackoffKind.Exponential => Exponential(retry, options),
            BackoffKind.ExponentialJitter => chance.Between(TimeSpan.Zero, Exponential(retry, options)),
            BackoffKind.EqualJitter => chance.Between(Exponential(retry, options) / 2, Exponential(retry, options)),
            BackoffKind.DecorrelatedJitter => Decorrelated(previous, options, chance),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "unknown kind of back-off"),
        };
    }

    /// <summary>A Retry-After may lengthen the wait by the allowance, and never shortens it: a server cannot make its callers come back in step or never.</summary>
    public static TimeSpan Honour(TimeSpan computed, TimeSpan? retryAfter, RetryOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (retryAfter is not { } asked || asked <= computed)
            return computed;

        var latest = computed + options.RetryAfterAllowance;
        return asked < latest ? asked : latest;
    }

    private static TimeSpan Linear(int retry, RetryOptions options) =>
        options.Max.Ticks / retry < options.Base.Ticks ? options.Max : options.Base * retry;

    private static TimeSpan Exponential(int retry, RetryOptions options)
    {
        // Shifting the cap down instead of the base up cannot overflow.
        if (retry >= 62 || options.Max.Ticks >> retry < options.Base.Ticks)
            return options.Max;
        return new TimeSpan(options.Base.Ticks << retry);
    }

    private static TimeSpan Decorrelated(TimeSpan previous, RetryOptions options, Chance chance)
    {
        var from = previous > options.Base ? previous : options.Base;
        var delay = chance.Between(options.Base, from * 3);
        return delay < options.Max ? delay : options.Max;
    }
}
