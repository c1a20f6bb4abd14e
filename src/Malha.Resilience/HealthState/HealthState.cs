namespace Malha.Resilience;

/// <summary>What the active checks say about an endpoint.</summary>
public enum Health
{
    /// <summary>Not checked yet, or not at all: it gets traffic.</summary>
    Unknown = 0,
    Healthy = 1,
    Unhealthy = 2,
}

/// <summary>One active check's result. A failure may name the dependency behind the endpoint that it is due to.</summary>
public readonly record struct ProbeResult(bool Success, string? Dependency = null);

/// <summary>
/// The health of one endpoint: `fall` failures in a row make it unhealthy, `rise` successes healthy again; the very first result decides at once, so that a
/// dead endpoint gets no traffic for the time of three checks. A recovered endpoint starts slowly: from a tenth of its weight to all of it, and its
/// concurrency with it. Beside the checks it remembers whether real traffic succeeds, which only panic looks at.
/// </summary>
public sealed class HealthState
{
    private const double FirstWeight = 0.1;
    private const int TrafficCalls = 0;
    private const int TrafficFailures = 1;
    private static readonly TimeSpan TrafficWindow = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Chance _chance;
    private readonly SlidingWindow _traffic = new(2, 10, TrafficWindow);
    private HealthOptions _options;
    private Health _health;
    private int _streak;
    private bool _streakSucceeds;
    private Moment? _recovered;
    private string? _dependency;

    public HealthState(HealthOptions options, Chance chance)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _chance = chance;
    }

    public HealthOptions Options => Volatile.Read(ref _options);

    public Health Health
    {
        get
        {
            lock (_lock)
                return _health;
        }
    }

    /// <summary>What the last failed check was due to, if it said so; null when healthy.</summary>
    public string? Dependency
    {
        get
        {
            lock (_lock)
                return _dependency;
        }
    }

    /// <summary>Keeps health and streak; they are judged by the new numbers from the next result on.</summary>
    public void Update(HealthOptions options) => Volatile.Write(ref _options, options);

    /// <summary>Takes a check's result; true when the health changed.</summary>
    public bool OnProbe(ProbeResult result, Moment now)
    {
        lock (_lock)
        {
            _streak = result.Success == _streakSucceeds ? _streak + 1 : 1;
            _streakSucceeds = result.Success;
            _dependency = result.Success ? null : result.Dependency;
            var before = _health;
            if (before == Health.Unknown)
                _health = result.Success ? Health.Healthy : Health.Unhealthy;
            else if (result.Success && before == Health.Unhealthy && _streak >= _options.Rise)
                (_health, _recovered) = (Health.Healthy, now);
            else if (!result.Success && before == Health.Healthy && _streak >= _options.Fall)
                _health = Health.Unhealthy;
            return _health != before;
        }
    }

    /// <summary>What became of a real call.</summary>
    public void OnTraffic(OutcomeKind outcome, Moment now)
    {
        if (outcome.IsSilent())
            return;
        lock (_lock)
        {
            _traffic.Advance(now);
            _traffic.Add(TrafficCalls, 1);
            if (outcome.IsFailure())
                _traffic.Add(TrafficFailures, 1);
        }
    }

    /// <summary>Real calls were made lately, and more than half of them succeeded.</summary>
    public bool TrafficSucceeds(Moment now)
    {
        lock (_lock)
        {
            _traffic.Advance(now);
            return _traffic[TrafficCalls] > 0 && _traffic[TrafficFailures] * 2 < _traffic[TrafficCalls];
        }
    }

    /// <summary>The part of its weight, and of its concurrency, that the endpoint gets now: 0.1 to 1.</summary>
    public double Weight(Moment now)
    {
        lock (_lock)
        {
            if (_recovered is not { } since || now - since >= _options.SlowStart)
                return 1;
            return Math.Max(FirstWeight, (now - since) / _options.SlowStart);
        }
    }

    /// <summary>When the next check is due: the interval ±10 %, so that many checkers do not march in step.</summary>
    public TimeSpan NextProbe() => _options.Every * (0.9 + 0.2 * _chance.NextDouble());
}
