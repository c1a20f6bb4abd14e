namespace Malha.Resilience;

/// <summary>
/// Starts one more attempt when the first has not answered after a fixed time or after the 95th percentile of what answers take ("The Tail at Scale", Dean and
/// Barroso 2013: then about 5 % more calls). It pays from the same budget as retries and only idempotent calls are hedged: the caller asks
/// <see cref="Retryabilities"/> first. The loser is abandoned, not failed.
/// </summary>
public sealed class Hedging(HedgingOptions options)
{
    private const double Quantile = 0.95;
    private readonly LatencyQuantile _latencies = new();
    private volatile HedgingOptions _options = options;

    public HedgingOptions Options => _options;

    /// <summary>Keeps what was measured.</summary>
    public void Update(HedgingOptions options) => _options = options;

    /// <summary>What a first attempt took; hedges' own latencies do not count, since they begin when the service is slow.</summary>
    public void OnAnswer(TimeSpan latency, Moment now) => _latencies.Add(latency, now);

    /// <summary>How long after the attempt before it the next one may start; null while too little is measured to say.</summary>
    public TimeSpan? Delay(Moment now)
    {
        var options = _options;
        if ((options.Delay ?? _latencies.Quantile(Quantile, now)) is not { } delay)
            return null;
        return delay > options.DelayAtLeast ? delay : options.DelayAtLeast;
    }

    /// <summary>Whether one more attempt starts now, the delay having passed: not too many, in time, and paid for.</summary>
    /// <param name="attempts">Attempts started so far, the first one included.</param>
    /// <param name="deadline">When the caller must have its answer.</param>
    /// <param name="typicalLatency">How long an answer usually takes.</param>
    /// <param name="budget">Paid only if everything else allows the hedge.</param>
    /// <param name="now">The present.</param>
    public bool TryHedge(int attempts, Deadline deadline, TimeSpan typicalLatency, RetryBudget? budget, Moment now) =>
        attempts <= _options.Hedges && deadline.CanMeet(now, typicalLatency) && (budget is null || budget.TryTake(now));
}
