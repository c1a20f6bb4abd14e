namespace Malha.Resilience;

/// <summary>
/// The breaker of one endpoint.
/// <para>Closed: opens when the window holds the minimum and the share of failures, or of slow calls, reaches its limit; or on failures in a row
/// (of timeouts, only those that began after the first of them was known).
/// Slow are calls that took longer than the threshold and those in flight that already have.</para>
/// <para>Open: refuses at once for d/2 + U(0, d/2), where d doubles with each opening that follows on the last and halves for every d that the breaker
/// stays closed.</para>
/// <para>Half-open: at most m probes hold a lease. A success counts, a failure counts, a cancelled probe or one answered with back-pressure changes
/// nothing, a probe that hangs loses its lease to the next call. n successes of m close; so many failures that n cannot be reached open it again, and so
/// do more than m hung probes.</para>
/// <para>Ramping: 10 to 100 % of the calls in ten steps, and whatever their share, as many at a time as half-open had probes: what it has just borne. So a
/// caller that asks for one thing after the other is not refused nine times of ten by a service that is well. A step with half the failures that would open
/// is repeated, so that the ramp follows a service that warms up slowly.</para>
/// <para>Every change of state starts a new generation; what was let through in an earlier one is ignored when it ends. Back-pressure belongs to the
/// <see cref="Throttle"/>, an abandoned call says nothing unless it was slow already. No timers: time is looked at when calls come and go. Time asked of it
/// must not go back by more than its callers' race for the lock.</para>
/// </summary>
public sealed partial class CircuitBreaker
{
    private const int Calls = 0;
    private const int Failures = 1;
    private const int Slow = 2;
    private const int Slots = 10;
    private const int RampSteps = 10;

    private readonly Lock _lock = new();
    private readonly Chance _chance;
    private readonly Action<BreakerTransition>? _onTransition;
    private readonly SlidingWindow _window;
    private readonly InFlightAges _ages = new();
    private readonly Leases _leases = new();

    private BreakerOptions _options;
    private BreakerState _state;
    private int _generation;
    private int _consecutive;
    private Moment _runBegan;
    private Moment _openUntil;
    private TimeSpan _openFor;
    private Moment _closedAt;
    private int _openings;
    private int _step;

    /// <summary>Calls of this generation that have no outcome yet, probes not counted.</summary>
    private int _inFlight;
    private Moment _stepEnds;
    private long _stepCalls;
    private long _stepBad;
    private BreakerMode _mode;
    private Moment _modeUntil;
    private (BreakerRule Rule, double Observed, double Limit) _cause;

    /// <param name="options">Validated settings.</param>
    /// <param name="chance">For the jitter of the open time and the share that a ramp lets through.</param>
    /// <param name="onTransition">Told of every change of state, outside the lock, by the thread that caused it.</param>
    public CircuitBreaker(BreakerOptions options, Chance chance, Action<BreakerTransition>? onTransition = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _chance = chance;
        _onTransition = onTransition;
        _window = new SlidingWindow(3, Slots, options.Window);
        _ages.Reset(options.SlowOver ?? TimeSpan.MaxValue, default);
    }

    public BreakerOptions Options => Volatile.Read(ref _options);

    /// <summary>
    /// New settings in place: the state, the open time and the probes stay; a window of another length starts empty; and a changed slow threshold starts a
    /// new generation, since calls in flight are sorted by the old one.
    /// </summary>
    public void Update(BreakerOptions options, Moment now)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (_lock)
        {
            var slowChanged = options.SlowOver != _options.SlowOver;
            _options = options;
            _window.Resize(options.Window, now);
            if (!slowChanged)
                return;
            _generation++;
            _inFlight = 0;
            _leases.Clear();
            _ages.Reset(options.SlowOver ?? TimeSpan.MaxValue, now);
        }
    }

    /// <summary>Asks for one call. Every permit that is handed out must come back through <see cref="Report"/> exactly once.</summary>
    public BreakerDecision TryAcquire(Moment now)
    {
        BreakerDecision decision;
        BreakerTransition? moved = null;
        lock (_lock)
        {
            var mode = Mode_NeedsLock(now);
            if (mode is BreakerMode.ForcedOpen or BreakerMode.Disabled)
                return Manual_NeedsLock(mode, now);

            moved = Advance_NeedsLock(mode, now);
            decision = Decide_NeedsLock(now);
            if (!decision.Allowed && mode is BreakerMode.Shadow or BreakerMode.ForcedClosed)
                decision = decision with { Allowed = true, WouldRefuse = mode == BreakerMode.Shadow, Permit = new BreakerPermit { Ignored = true } };
        }

        Tell(moved);
        return decision;
    }

    /// <summary>A call has its outcome: at the head of its answer, for an exchange that goes on for long.</summary>
    public void Report(in BreakerPermit permit, OutcomeKind outcome, Moment now)
    {
        if (permit.Ignored)
            return;

        BreakerTransition? moved;
        lock (_lock)
        {
            if (permit.Generation != _generation)
                return;
            var mode = Mode_NeedsLock(now);
            moved = permit.Lease != 0
                ? EndProbe_NeedsLock(permit, outcome, now)
                : EndCall_NeedsLock(permit, outcome, mode, now);
        }

        Tell(moved);
    }

    /// <summary>An operator's word, for a while; <see cref="BreakerMode.Auto"/> takes it back.</summary>
    public void SetMode(BreakerMode mode, Moment now, TimeSpan? timeToLive = null)
    {
        BreakerTransition? moved = null;
        lock (_lock)
        {
            _mode = mode;
            _modeUntil = now + (timeToLive ?? Defaults.BreakerManualTimeToLive);
            if (mode is BreakerMode.ForcedOpen or BreakerMode.ForcedClosed && _state != BreakerState.Closed)
                moved = Enter_NeedsLock(BreakerState.Closed, (BreakerRule.Manual, 0, 0), now);
        }

        Tell(moved);
    }

    /// <summary>
    /// The share of calls that would pass now, for a balancer: 1 closed, 0 open, in between while ramping; half-open 1 while a probe is free. It takes nothing.
    /// </summary>
    public double Share(Moment now)
    {
        lock (_lock)
            return Share_NeedsLock(now);
    }

    public BreakerSnapshot Snapshot(Moment now)
    {
        lock (_lock)
        {
            var mode = Mode_NeedsLock(now);
            _window.Advance(now);
            _ages.Advance(now);
            return new BreakerSnapshot
            {
                State = _state == BreakerState.Open && now >= _openUntil ? BreakerState.HalfOpen : _state,
                Mode = mode,
                ModeLeft = mode == BreakerMode.Auto ? default : _modeUntil - now,
                Rule = _cause.Rule,
                Observed = _cause.Observed,
                Limit = _cause.Limit,
                OpenLeft = _state == BreakerState.Open && _openUntil > now ? _openUntil - now : default,
                Openings = _openings,
                Calls = _window[Calls],
                Failures = _window[Failures],
                Slow = _window[Slow],
                Overdue = _options.SlowOver is null ? 0 : _ages.Overdue,
                Share = Share_NeedsLock(now),
                Generation = _generation,
            };
        }
    }

    private double Share_NeedsLock(Moment now) => Mode_NeedsLock(now) switch
    {
        BreakerMode.ForcedOpen => 0,
        BreakerMode.ForcedClosed or BreakerMode.Disabled or BreakerMode.Shadow => 1,
        _ => _state switch
        {
            BreakerState.Closed => 1,
            BreakerState.Ramping => _step / (double)RampSteps,
            BreakerState.Open => now >= _openUntil ? 1 : 0,
            _ => _leases.HasRoom(_options.Probes, now) ? 1 : 0,
        },
    };

    private BreakerMode Mode_NeedsLock(Moment now)
    {
        if (_mode != BreakerMode.Auto && now >= _modeUntil)
            _mode = BreakerMode.Auto;
        return _mode;
    }

    private BreakerDecision Manual_NeedsLock(BreakerMode mode, Moment now) => mode == BreakerMode.Disabled
        ? new BreakerDecision { Allowed = true, Permit = new BreakerPermit { Ignored = true } }
        : new BreakerDecision { Rule = BreakerRule.Manual, RetryAfter = _modeUntil - now };

    private void Tell(BreakerTransition? moved)
    {
        if (moved is { } transition)
            _onTransition?.Invoke(transition);
    }
}
