namespace Malha.Resilience;

/// <summary>
/// A concurrency limit without a queue: what does not fit is refused at once. For a caller's own use; a gateway with classes and a queue uses
/// <see cref="AdmissionController"/>, which holds the same limit.
/// </summary>
public sealed class ConcurrencyLimiter
{
    private readonly Lock _lock = new();
    private readonly InFlight _inFlight;

    public ConcurrencyLimiter(ConcurrencyLimitOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _inFlight = new InFlight(options, classes: 1);
    }

    public int Limit
    {
        get
        {
            lock (_lock)
                return _inFlight.Limit;
        }
    }

    public int Count
    {
        get
        {
            lock (_lock)
                return _inFlight.Count;
        }
    }

    public void Update(ConcurrencyLimitOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (_lock)
            _inFlight.Update(options);
    }

    public bool TryAcquire(Moment now, out LimitPermit permit)
    {
        lock (_lock)
        {
            _inFlight.Advance(now);
            permit = default;
            if (_inFlight.Count >= _inFlight.Limit)
                return false;
            permit = _inFlight.Take(0, now);
            return true;
        }
    }

    /// <summary>At the head of the answer, for an exchange that goes on for long.</summary>
    public void Release(in LimitPermit permit, RouteBaseline route, OutcomeKind outcome, Moment now)
    {
        ArgumentNullException.ThrowIfNull(route);
        lock (_lock)
            _inFlight.End(permit, route, outcome, now);
    }

    /// <summary>Nobody waits any more: the attempt counts on, until <see cref="Answered"/> or for the usual latency.</summary>
    public AbandonedAttempt Abandon(in LimitPermit permit, RouteBaseline route, Moment now)
    {
        ArgumentNullException.ThrowIfNull(route);
        lock (_lock)
            return _inFlight.Abandon(permit, route, now);
    }

    public void Answered(AbandonedAttempt attempt)
    {
        lock (_lock)
            _inFlight.Answered(attempt);
    }
}
