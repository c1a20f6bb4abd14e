namespace Malha.Resilience;

public sealed partial class CircuitBreaker
{
    /// <summary>A run of failures that the service's usual failures produce less often than once in so many windows is news.</summary>
    private const double RunsByChance = 0.001;

    /// <summary>What time alone changes: an open breaker becomes half-open, calls in flight become overdue, a ramp climbs, hung probes lose their lease.</summary>
    private BreakerTransition? Advance_NeedsLock(BreakerMode mode, Moment now)
    {
        switch (_state)
        {
            case BreakerState.Open when now >= _openUntil:
                return Enter_NeedsLock(BreakerState.HalfOpen, _cause, now);
            case BreakerState.HalfOpen:
                _leases.Expire(now);
                return HalfOpenFailed_NeedsLock(now);
            case BreakerState.Closed or BreakerState.Ramping:
                var tripped = mode == BreakerMode.ForcedClosed ? null : CheckSlow_NeedsLock(now);
                return tripped ?? (_state == BreakerState.Ramping ? Climb_NeedsLock(now) : null);
            default:
                return null;
        }
    }

    private BreakerDecision Decide_NeedsLock(Moment now)
    {
        switch (_state)
        {
            case BreakerState.Open:
                return Refuse_NeedsLock(_cause.Rule, _openUntil - now);
            case BreakerState.HalfOpen:
                if (!_leases.TryTake(_options.Probes, now, now + (_options.ProbeLease ?? _openFor), out var lease))
                    return Refuse_NeedsLock(BreakerRule.ProbesUnderWay, _leases.NextExpiry - now);
                return new BreakerDecision { Allowed = true, Permit = new BreakerPermit { Generation = _generation, Lease = lease, Started = now } };
            case BreakerState.Ramping when _inFlight >= _options.Probes && _chance.NextDouble() * RampSteps >= _step:
                return Refuse_NeedsLock(BreakerRule.Ramp, _stepEnds - now);
            default:
                _inFlight++;
                if (_options.SlowOver is not null)
                    _ages.Start(now);
                return new BreakerDecision { Allowed = true, Permit = new BreakerPermit { Generation = _generation, Started = now } };
        }
    }

    private BreakerDecision Refuse_NeedsLock(BreakerRule rule, TimeSpan retryAfter) => new()
    {
        Rule = rule,
        Observed = _cause.Observed,
        Limit = _cause.Limit,
        RetryAfter = retryAfter > TimeSpan.Zero ? retryAfter : TimeSpan.Zero,
    };

    private BreakerTransition? EndCall_NeedsLock(in BreakerPermit permit, OutcomeKind outcome, BreakerMode mode, Moment now)
    {
        var slow = false;
        _inFlight--;
        if (_options.SlowOver is { } threshold)
        {
            _ages.Advance(now);
            _ages.End(permit.Started);
            slow = now - permit.Started >= threshold;
        }

        // Back-pressure and abandoned calls are silent, but one that was overdue has said enough.
        if (mode == BreakerMode.Disabled || (outcome.IsSilent() && !slow))
            return null;

        var failed = outcome.IsFailure();
        _window.Advance(now);
        _window.Add(Calls, 1);
        if (failed)
            _window.Add(Failures, 1);
        if (slow)
            _window.Add(Slow, 1);
        if (!outcome.IsSilent())
            CountRun_NeedsLock(permit, outcome, failed, now);
        if (_state == BreakerState.Ramping)
        {
            _stepCalls++;
            _stepBad += failed || slow ? 1 : 0;
        }

        if (mode is BreakerMode.ForcedClosed or BreakerMode.ForcedOpen || !(failed || slow))
            return null;
        return CheckFailures_NeedsLock(now) ?? CheckSlow_NeedsLock(now);
    }

    /// <summary>
    /// Calls that time out after they were in flight together are one slow moment and not so many proofs: a timeout lengthens a run only if the call began
    /// after the run's first failure was known.
    /// </summary>
    private void CountRun_NeedsLock(in BreakerPermit permit, OutcomeKind outcome, bool failed, Moment now)
    {
        if (!failed)
            _consecutive = 0;
        else if (_consecutive == 0)
            (_consecutive, _runBegan) = (1, now);
        else if (outcome != OutcomeKind.Timeout || permit.Started >= _runBegan)
            _consecutive++;
    }

    private BreakerTransition? CheckFailures_NeedsLock(Moment now)
    {
        var calls = _window[Calls];
        if (_options.FailureRatio is { } limit && calls >= _options.Minimum && _window[Failures] >= limit * calls)
            return Open_NeedsLock((BreakerRule.FailureRatio, _window[Failures] / (double)calls, limit), now);
        if (_options.Consecutive is { } run && _consecutive >= run && IsNews_NeedsLock(calls))
            return Open_NeedsLock((BreakerRule.Consecutive, _consecutive, run), now);
        return null;
    }

    /// <summary>
    /// One of ten shards behind an endpoint failing makes five failures in a row every few minutes at 200 calls/s. With enough calls in the window to know
    /// the usual share of failures, a run opens only when that share would not produce it; the ratio rule judges the rest.
    /// </summary>
    private bool IsNews_NeedsLock(long calls)
    {
        var others = calls - _consecutive;
        if (calls < _options.Minimum || others <= 0)
            return true;
        var usual = Math.Max(0, _window[Failures] - _consecutive) / (double)others;
        return calls * Math.Pow(usual, _consecutive) < RunsByChance;
    }

    private BreakerTransition? CheckSlow_NeedsLock(Moment now)
    {
        if (_options.SlowOver is null)
            return null;

        _ages.Advance(now);
        _window.Advance(now);
        var slow = _window[Slow] + _ages.Overdue;
        var calls = _window[Calls] + _ages.Overdue;
        if (calls < _options.Minimum || slow < _options.SlowRatio * calls)
            return null;
        return Open_NeedsLock((BreakerRule.SlowRatio, slow / (double)calls, _options.SlowRatio), now);
    }

    private BreakerTransition? EndProbe_NeedsLock(in BreakerPermit permit, OutcomeKind outcome, Moment now)
    {
        _leases.Expire(now);
        if (!_leases.TryEnd(permit.Lease) || outcome.IsSilent())
            return null;

        var slow = _options.SlowOver is { } threshold && now - permit.Started >= threshold;
        if (outcome.IsFailure() || slow)
        {
            _leases.Failed++;
            return HalfOpenFailed_NeedsLock(now);
        }

        if (++_leases.Succeeded < _options.Needed)
            return HalfOpenFailed_NeedsLock(now);
        return Enter_NeedsLock(_options.Ramp > TimeSpan.Zero ? BreakerState.Ramping : BreakerState.Closed, (BreakerRule.None, 0, 0), now);
    }

    private BreakerTransition? HalfOpenFailed_NeedsLock(Moment now)
    {
        var tolerated = _options.Probes - _options.Needed;
        if (_leases.Failed <= tolerated && _leases.Hung <= _options.Probes)
            return null;
        return Open_NeedsLock((BreakerRule.Probes, Math.Max(_leases.Failed, _leases.Hung), tolerated), now);
    }

    private BreakerTransition? Climb_NeedsLock(Moment now)
    {
        if (now < _stepEnds)
            return null;

        // Half of what would open is as much as a step may show. One look is one step: after a pause the ramp goes on from where it was.
        var tolerated = Math.Min(_options.FailureRatio ?? 1, _options.SlowRatio) / 2;
        if (_stepBad <= tolerated * _stepCalls)
            _step += Math.Max(1, StepsPassed(now));
        if (_step >= RampSteps)
            return Enter_NeedsLock(BreakerState.Closed, (BreakerRule.None, 0, 0), now);
        StartStep_NeedsLock(now);
        return null;
    }

    /// <summary>A service with few calls must not ramp for ever: steps in which nobody called pass too.</summary>
    private int StepsPassed(Moment now) => 1 + (int)Math.Min(RampSteps, (now - _stepEnds) / StepLength);

    private TimeSpan StepLength => TimeSpan.FromTicks(Math.Max(1, _options.Ramp.Ticks / (RampSteps - 1)));

    private void StartStep_NeedsLock(Moment now)
    {
        _stepEnds = now + StepLength;
        _stepCalls = 0;
        _stepBad = 0;
    }

    private BreakerTransition Open_NeedsLock((BreakerRule Rule, double Observed, double Limit) cause, Moment now)
    {
        // Closed for as long as it was open last time forgives one opening.
        if (_state == BreakerState.Closed && _openings > 0 && _openFor > TimeSpan.Zero)
            _openings = (int)Math.Max(0, _openings - (long)((now - _closedAt) / _openFor));

        var doubled = _openings >= 40 ? double.MaxValue : _options.Open.Ticks * Math.Pow(2, _openings);
        _openFor = TimeSpan.FromTicks((long)Math.Min(_options.OpenMax.Ticks, doubled));
        _openUntil = now + _chance.Between(_openFor / 2, _openFor);
        _openings = Math.Min(_openings + 1, 40);
        return Enter_NeedsLock(BreakerState.Open, cause, now);
    }

    private BreakerTransition Enter_NeedsLock(BreakerState state, (BreakerRule Rule, double Observed, double Limit) cause, Moment now)
    {
        var from = _state;
        _state = state;
        _cause = cause;
        _generation++;
        _consecutive = 0;
        _inFlight = 0;
        _leases.Clear();
        _window.Clear();
        _window.Advance(now);
        _ages.Reset(_options.SlowOver ?? TimeSpan.MaxValue, now);
        if (state == BreakerState.Closed)
            _closedAt = now;
        if (state == BreakerState.Ramping)
        {
            _step = 1;
            StartStep_NeedsLock(now);
        }

        return new BreakerTransition(now, from, state, cause.Rule, cause.Observed, cause.Limit, state == BreakerState.Open ? _openUntil - now : default);
    }
}
