using Malha.Configuration;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Health;

/// <summary>
/// The health of a service: takes the results of checks and the outcomes of traffic, lets <see cref="EndpointJudgement"/> decide after each check, at
/// each ejection, and from time to time while anything is not plainly well, and publishes per endpoint what share of its weight it gets. The request
/// path only reads what is published.
/// </summary>
internal sealed class ServiceHealth : IThreadPoolWorkItem, IDisposable
{
    /// <summary>How long a verdict may be behind the facts while something is not well.</summary>
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    /// <summary>A slow start goes in steps of at most a twentieth.</summary>
    private const int SlowStartSteps = 20;

    private static readonly TimeSpan ShortestTick = TimeSpan.FromMilliseconds(20);

    private readonly Lock _lock = new();
    private readonly Clock _clock;
    private readonly EventLog _events;
    private readonly Chance _chance;
    private readonly Func<string, ServiceHealth?> _services;
    private readonly OutlierDetector _outliers = new(new OutlierOptions());
    private readonly ITimer _timer;
    private EndpointState[] _endpoints = [];
    private ServiceState? _state;
    private ServiceConfig _config;
    private HealthSnapshot _snapshot = HealthSnapshot.Unknown;
    private string _rule;
    private bool _disposed;

    /// <param name="config">The service; its endpoints come with <see cref="Follow"/>.</param>
    /// <param name="clock">The data plane's time line.</param>
    /// <param name="events">Who is told.</param>
    /// <param name="chance">For the jitter of checks.</param>
    /// <param name="services">Finds the health of a service that this one depends on.</param>
    public ServiceHealth(ServiceConfig config, Clock clock, EventLog events, Chance chance, Func<string, ServiceHealth?> services)
    {
        _config = config;
        _rule = "";
        _clock = clock;
        _events = events;
        _chance = chance;
        _services = services;
        _timer = clock.Source.CreateTimer(static health => ((ServiceHealth)health!).Evaluate(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public HealthSnapshot Snapshot => Volatile.Read(ref _snapshot);

    public bool IsUnhealthy => Snapshot.Course == ServiceCourse.Unhealthy;

    /// <summary>How long the endpoint's ejection goes on; zero when it is in.</summary>
    public TimeSpan EjectedFor(EndpointHealth health) => health.Outlier is { } outlier ? _outliers.EjectedFor(outlier, _clock.Now) : TimeSpan.Zero;

    /// <summary>Another configuration is in force. What is known of endpoints that stay is kept, and judged by the new settings.</summary>
    public void Follow(ServiceModel model)
    {
        lock (_lock)
        {
            foreach (var gone in _endpoints.Except(model.Endpoints))
                Leave_NeedsLock(gone.Health);
            _config = model.Config;
            _state = model.State;
            _rule = _config.Source.Path + ".health";
            _endpoints = model.Endpoints;
            var options = _config.IsChecked ? Options(_config.Health!) : null;
            var compares = _endpoints.Length > 1 && !_config.IsStore && _config.Health is not { Ejection: false };
            foreach (var endpoint in _endpoints)
            {
                var health = endpoint.Health;
                if (options is null)
                    health.Forget();
                else if (health.State is { } state)
                    state.Update(options);
                else
                    health.State = new HealthState(options, _chance.Fork());
                if (!compares)
                    Leave_NeedsLock(health);
                else
                    health.Outlier ??= _outliers.Add();
            }
            Evaluate_NeedsLock(_clock.Now);
        }
    }

    /// <summary>What became of an attempt. On the request path: two short locks at most, no allocation.</summary>
    public void OnAttempt(EndpointState endpoint, OutcomeKind outcome, Moment now)
    {
        var health = endpoint.Health;
        health.State?.OnTraffic(outcome, now);
        if (health.Outlier is not { } outlier || !_outliers.Report(outlier, outcome, now))
            return;
        health.Ejected();
        // Judging and telling are not for the thread that carries traffic.
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>What came of a check, and when the next one is due.</summary>
    public void OnCheck(EndpointState endpoint, CheckRecord check, Moment next)
    {
        var now = _clock.Now;
        lock (_lock)
        {
            var health = endpoint.Health;
            // The configuration may have changed while it ran.
            if (_disposed || health.State is not { } state || !_endpoints.Contains(endpoint))
                return;
            health.Checked(check);
            health.NextCheck = next;
            var before = state.Health;
            var changed = state.OnProbe(new ProbeResult(check.Report.IsGood), now);
            if (!check.Report.IsGood)
                health.Failure = check.Report;
            else if (state.Health == Resilience.Health.Healthy)
                health.Failure = null;
            Evaluate_NeedsLock(now);
            if (changed)
                Tell(endpoint, before, state.Health, check.Report);
        }
    }

    /// <summary>A bug has cost a check or an evaluation.</summary>
    public void Failed(Exception exception) => _events.Error("bug", ("exception", exception.ToString()));

    /// <summary>Why nobody gets the call.</summary>
    public Refusal Refuse(Moment now)
    {
        var snapshot = Snapshot;
        if (snapshot.Course != ServiceCourse.Unhealthy)
            return new Refusal(RefusalKind.NoEndpoint);
        var retry = snapshot.RetryAt == Moment.Never ? 0 : Math.Max(1, (long)(snapshot.RetryAt - now).TotalMilliseconds);
        return new Refusal(RefusalKind.Unhealthy, Rule: Volatile.Read(ref _rule), RetryAfterMs: retry, Detail: snapshot.Detail);
    }

    /// <summary>An endpoint was ejected.</summary>
    void IThreadPoolWorkItem.Execute() => Evaluate();

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (var endpoint in _endpoints)
            {
                Leave_NeedsLock(endpoint.Health);
                endpoint.Health.Forget();
                endpoint.Health.Publish(1);
            }
        }
        _timer.Dispose();
    }

    private static HealthOptions Options(HealthConfig config) =>
        new() { Every = config.Every, Rise = config.Rise, Fall = config.Fall, SlowStart = config.SlowStart ?? TimeSpan.Zero };

    private void Leave_NeedsLock(EndpointHealth health)
    {
        if (health.Outlier is { } outlier)
            _outliers.Remove(outlier);
        health.Outlier = null;
    }

    // By the timer or the thread pool: a bug must cost an evaluation, not the process.
    private void Evaluate()
    {
        try
        {
            lock (_lock)
            {
                if (!_disposed)
                    Evaluate_NeedsLock(_clock.Now);
            }
        }
        catch (Exception exception)
        {
            Failed(exception);
        }
    }

    private void Evaluate_NeedsLock(Moment now)
    {
        var signs = new EndpointSigns[_endpoints.Length];
        var usable = new bool[_endpoints.Length];
        var butForBreaker = new bool[_endpoints.Length];
        var blame = Blame.Of(_endpoints, _config.Health?.DependsOn ?? [], _services);
        for (var index = 0; index < signs.Length; index++)
            signs[index] = SignsOf(_endpoints[index].Health, blame[index], now);

        // A breaker says no by itself, at each call. Here it counts only for those that are used when the better ones' breakers are open.
        var verdict = EndpointJudgement.Decide(signs, butForBreaker);
        for (var index = 0; index < signs.Length; index++)
            signs[index] = signs[index] with { BreakerPermits = _endpoints[index].Breaker is not { } breaker || breaker.Share(now) > 0 };
        EndpointJudgement.Decide(signs, usable);
        var slowest = TimeSpan.MaxValue;
        var isPlain = true;
        var mostReady = 0f;
        for (var index = 0; index < signs.Length; index++)
        {
            var health = _endpoints[index].Health;
            var weight = (float)(health.State?.Weight(now) ?? 1);
            TellEjection_NeedsLock(_endpoints[index], signs[index].Ejected);
            var isUsable = usable[index] || butForBreaker[index];
            health.Publish(isUsable ? weight : 0);
            if (isUsable)
                mostReady = Math.Max(mostReady, weight);
            isPlain &= isUsable && weight >= 1 && signs[index].Health != Resilience.Health.Unhealthy;
            if (weight < 1)
                slowest = health.State!.Options.SlowStart / SlowStartSteps;
        }

        // Beside one that is ready the weights say enough. When all that can be used are starting, they would share everything among themselves.
        _state?.Admission?.Controller.SetShare(mostReady > 0 ? mostReady : 1, now);

        var next = Sum(verdict, blame);
        var before = Snapshot;
        Volatile.Write(ref _snapshot, next);
        TellCourse(before, next);
        var tick = slowest < Tick ? slowest : Tick;
        _timer.Change(isPlain ? Timeout.InfiniteTimeSpan : tick < ShortestTick ? ShortestTick : tick, Timeout.InfiniteTimeSpan);
    }

    private EndpointSigns SignsOf(EndpointHealth health, string? dependency, Moment now) => new()
    {
        Ejected = health.Outlier is { } outlier && _outliers.IsEjected(outlier, now),
        BreakerPermits = true,
        Health = health.State?.Health ?? Resilience.Health.Unknown,
        TrafficSucceeds = health.State?.TrafficSucceeds(now) ?? false,
        Dependency = dependency,
    };

    private HealthSnapshot Sum(ServiceVerdict verdict, string?[] blame)
    {
        var cause = verdict.DegradedBecauseOf ?? Array.Find(blame, one => one is not null);
        var course = verdict.IsUnavailable ? ServiceCourse.Unhealthy
            : verdict.Condition == ServiceCondition.Panic ? ServiceCourse.Panic
            : cause is not null ? ServiceCourse.Degraded : ServiceCourse.Healthy;
        if (course != ServiceCourse.Unhealthy)
            return new HealthSnapshot(course, verdict.Usable, cause, null, Moment.Never);

        var failure = Array.Find(_endpoints, endpoint => endpoint.Health.Failure is not null)?.Health.Failure?.Failure;
        var detail = cause is null ? failure : failure is null ? $"degraded because of {cause}" : $"degraded because of {cause} ({failure})";
        var retry = Moment.Never;
        foreach (var endpoint in _endpoints)
            retry = Moment.Min(retry, endpoint.Health.NextCheck);
        return new HealthSnapshot(course, 0, cause, detail, retry);
    }

    private void Tell(EndpointState endpoint, Resilience.Health before, Resilience.Health after, ProbeReport report)
    {
        var address = endpoint.Config.Url.GetLeftPart(UriPartial.Authority);
        if (after == Resilience.Health.Unhealthy)
            _events.Warning("endpoint-unhealthy", ("service", _config.Name), ("endpoint", address), ("failure", report.Failure!));
        else if (before == Resilience.Health.Unhealthy)
            _events.Info("endpoint-healthy", ("service", _config.Name), ("endpoint", address));
    }

    private void TellEjection_NeedsLock(EndpointState endpoint, bool isEjected)
    {
        var health = endpoint.Health;
        if (health.IsEjectionTold == isEjected)
            return;
        health.IsEjectionTold = isEjected;
        var address = endpoint.Config.Url.GetLeftPart(UriPartial.Authority);
        if (isEjected)
            _events.Warning("endpoint-ejected", ("service", _config.Name), ("endpoint", address), ("forMs", EjectedFor(health).TotalMilliseconds));
        else
            _events.Info("endpoint-returned", ("service", _config.Name), ("endpoint", address));
    }

    private void TellCourse(HealthSnapshot before, HealthSnapshot after)
    {
        if (before.Course == after.Course && before.Cause == after.Cause)
            return;
        if (before.Course == ServiceCourse.Panic && after.Course != ServiceCourse.Panic)
            _events.Info("panic-ended", ("service", _config.Name));
        switch (after.Course)
        {
            case ServiceCourse.Panic when before.Course != ServiceCourse.Panic:
                _events.Error("panic-began", ("service", _config.Name), ("usable", after.Usable), ("endpoints", _endpoints.Length));
                break;
            case ServiceCourse.Unhealthy when before.Course != ServiceCourse.Unhealthy:
                _events.Error("service-unhealthy", ("service", _config.Name), ("detail", after.Detail ?? ""));
                break;
            case ServiceCourse.Degraded:
                _events.Warning("service-degraded", ("service", _config.Name), ("dependency", after.Cause!));
                break;
            case ServiceCourse.Healthy:
                _events.Info("service-healthy", ("service", _config.Name));
                break;
        }
    }
}
