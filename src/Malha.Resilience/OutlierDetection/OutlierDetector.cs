namespace Malha.Resilience;

/// <summary>What outlier detection knows about one endpoint; kept for as long as the endpoint is.</summary>
public sealed class OutlierState
{
    internal const int Calls = 0;
    internal const int Failures = 1;

    internal OutlierState(TimeSpan window) => Window = new SlidingWindow(2, 10, window);

    internal SlidingWindow Window { get; }

    internal Moment EjectedUntil { get; set; }

    internal TimeSpan LastEjection { get; set; }

    internal int Ejections { get; set; }
}

/// <summary>
/// Ejects endpoints that fail more than the others do, from real traffic: each is compared with all others together, by the difference of their failure shares
/// against its standard deviation (a two-proportion test). At most 10 % at a time, at least one, the worst first; one endpoint
/// alone is never an outlier. The n-th ejection lasts n times as long, and each such time spent in takes one back. When all fail alike nobody is ejected:
/// that is the breaker's matter.
/// </summary>
public sealed class OutlierDetector
{
    private readonly Lock _lock = new();
    private readonly List<OutlierState> _endpoints = [];
    private OutlierOptions _options;

    public OutlierDetector(OutlierOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
    }

    public OutlierOptions Options => Volatile.Read(ref _options);

    /// <summary>Ejections go on; windows start anew only with another length.</summary>
    public void Update(OutlierOptions options, Moment now)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (_lock)
        {
            _options = options;
            foreach (var endpoint in _endpoints)
                endpoint.Window.Resize(options.Window, now);
        }
    }

    public OutlierState Add()
    {
        lock (_lock)
        {
            var state = new OutlierState(_options.Window);
            _endpoints.Add(state);
            return state;
        }
    }

    public void Remove(OutlierState endpoint)
    {
        lock (_lock)
            _endpoints.Remove(endpoint);
    }

    public bool IsEjected(OutlierState endpoint, Moment now)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        lock (_lock)
            return now < endpoint.EjectedUntil;
    }

    /// <summary>How long an ejection goes on; zero when the endpoint is in.</summary>
    public TimeSpan EjectedFor(OutlierState endpoint, Moment now)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        lock (_lock)
            return now < endpoint.EjectedUntil ? endpoint.EjectedUntil - now : TimeSpan.Zero;
    }

    /// <summary>Takes a call's outcome; true when it ejected the endpoint.</summary>
    public bool Report(OutlierState endpoint, OutcomeKind outcome, Moment now)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        if (outcome.IsSilent())
            return false;

        lock (_lock)
        {
            endpoint.Window.Advance(now);
            endpoint.Window.Add(OutlierState.Calls, 1);
            if (!outcome.IsFailure())
                return false;
            endpoint.Window.Add(OutlierState.Failures, 1);
            if (now < endpoint.EjectedUntil || !IsOutlier_NeedsLock(endpoint, now) || !HasRoom_NeedsLock(now))
                return false;
            Eject_NeedsLock(endpoint, now);
            return true;
        }
    }

    private bool IsOutlier_NeedsLock(OutlierState endpoint, Moment now)
    {
        double calls = endpoint.Window[OutlierState.Calls];
        if (calls < _options.Minimum)
            return false;

        double otherCalls = 0;
        double otherFailures = 0;
        foreach (var other in _endpoints)
        {
            if (other == endpoint)
                continue;
            other.Window.Advance(now);
            otherCalls += other.Window[OutlierState.Calls];
            otherFailures += other.Window[OutlierState.Failures];
        }

        if (otherCalls < _options.Minimum)
            return false;

        double failures = endpoint.Window[OutlierState.Failures];
        var gap = failures / calls - otherFailures / otherCalls;
        var pooled = (failures + otherFailures) / (calls + otherCalls);
        var deviation = Math.Sqrt(pooled * (1 - pooled) * (1 / calls + 1 / otherCalls));
        return gap >= _options.Gap && gap >= _options.Deviations * deviation;
    }

    private bool HasRoom_NeedsLock(Moment now)
    {
        var ejected = 0;
        foreach (var endpoint in _endpoints)
            ejected += now < endpoint.EjectedUntil ? 1 : 0;
        return ejected < Math.Max(1, (int)(_options.EjectedAtMost * _endpoints.Count));
    }

    private void Eject_NeedsLock(OutlierState endpoint, Moment now)
    {
        if (endpoint.LastEjection > TimeSpan.Zero)
            endpoint.Ejections = (int)Math.Max(0, endpoint.Ejections - (long)((now - endpoint.EjectedUntil) / endpoint.LastEjection));
        endpoint.Ejections++;
        var length = _options.Ejection * endpoint.Ejections;
        endpoint.LastEjection = length < _options.EjectionMax ? length : _options.EjectionMax;
        endpoint.EjectedUntil = now + endpoint.LastEjection;
        endpoint.Window.Clear();
    }
}
