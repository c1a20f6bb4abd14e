using Malha.Resilience;

namespace Malha.Tests.Resilience;

/// <summary>
/// The breaker again, as plainly as it can be said: lists of everything that happened, searched anew at every step, no rings and no counters. Slow and
/// growing without bound; what the real one must agree with.
/// </summary>
internal sealed class ReferenceBreaker(BreakerOptions options, ulong seed)
{
    private sealed record Ended(Moment At, Moment Started, bool Failed, bool Slow, bool Silent, bool TimedOut);

    internal sealed class Call
    {
        public required Moment Started { get; init; }

        public required int Generation { get; init; }

        public bool Probe { get; init; }

        public Moment LeaseUntil { get; init; }

        public bool LeaseLost { get; set; }

        public bool Done { get; set; }
    }

    private readonly Chance _chance = new(seed);
    private readonly List<Ended> _ended = [];
    private readonly List<Call> _calls = [];
    private Moment _openUntil;
    private TimeSpan _openFor;
    private Moment _closedAt;
    private int _openings;
    private int _step;
    private Moment _stepEnds;
    private int _stepBegins;

    public BreakerState State { get; private set; }

    public int Generation { get; private set; }

    private IEnumerable<Call> Mine => _calls.Where(call => call.Generation == Generation);

    public Call? Acquire(Moment now)
    {
        PassTime(now);
        if (State == BreakerState.Open)
            return null;
        if (State == BreakerState.Ramping && Mine.Count(call => !call.Done) >= options.Probes && _chance.NextDouble() >= _step / 10.0)
            return null;
        var until = now + (options.ProbeLease ?? _openFor);
        if (State == BreakerState.HalfOpen && Mine.Count(call => call.Probe && !call.Done && !call.LeaseLost) + Results(failed: false) + Results(failed: true) >= options.Probes)
            return null;
        var made = new Call { Started = now, Generation = Generation, Probe = State == BreakerState.HalfOpen, LeaseUntil = until };
        _calls.Add(made);
        return made;
    }

    public void Report(Call call, OutcomeKind outcome, Moment now)
    {
        if (call.Generation != Generation)
            return;
        LoseLeases(now);
        if (call.LeaseLost)
            return;

        call.Done = true;
        var silent = outcome is OutcomeKind.Abandoned or OutcomeKind.BackPressure;
        var failed = outcome is OutcomeKind.Failure or OutcomeKind.ConnectionFailure or OutcomeKind.Timeout;
        var slow = options.SlowOver is { } over && now - call.Started >= over;
        if (silent && (!slow || call.Probe))
            return;
        _ended.Add(new Ended(now, call.Started, failed, slow, silent, outcome == OutcomeKind.Timeout));
        if (call.Probe)
        {
            if (Results(failed: false) >= options.Needed)
                Enter(options.Ramp > TimeSpan.Zero ? BreakerState.Ramping : BreakerState.Closed, now);
            else
                ReopenIfProbesFailed(now);
        }
        else if (failed || slow)
        {
            if (TooManyFailures(now))
                Open(now);
            else
                OpenIfSlow(now);
        }
    }

    private void PassTime(Moment now)
    {
        if (State == BreakerState.Open && now >= _openUntil)
        {
            Enter(BreakerState.HalfOpen, now);
            return;
        }

        if (State == BreakerState.HalfOpen)
        {
            LoseLeases(now);
            ReopenIfProbesFailed(now);
            return;
        }

        if (State == BreakerState.Open || OpenIfSlow(now) || State != BreakerState.Ramping || now < _stepEnds)
            return;

        var length = new TimeSpan(Math.Max(1, options.Ramp.Ticks / 9));
        var step = _ended.Skip(_stepBegins).ToList();
        if (step.Count(e => e.Failed || e.Slow) <= Math.Min(options.FailureRatio ?? 1, options.SlowRatio) / 2 * step.Count)
            _step += 1 + (int)Math.Min(10, (now - _stepEnds) / length);
        if (_step >= 10)
        {
            Enter(BreakerState.Closed, now);
            return;
        }

        _stepEnds = now + length;
        _stepBegins = _ended.Count;
    }

    private bool TooManyFailures(Moment now)
    {
        var seen = Window(now);
        var failures = seen.Count(e => e.Failed);
        if (options.FailureRatio is { } ratio && seen.Count >= options.Minimum && failures >= ratio * seen.Count)
            return true;
        var sinceSuccess = _ended.Where(e => !e.Silent).Reverse().TakeWhile(e => e.Failed).Reverse().ToList();
        var run = sinceSuccess.Count(e => ReferenceEquals(e, sinceSuccess[0]) || !e.TimedOut || e.Started >= sinceSuccess[0].At);
        if (options.Consecutive is not { } limit || run < limit)
            return false;
        if (seen.Count < options.Minimum || seen.Count <= run)
            return true;
        return seen.Count * Math.Pow(Math.Max(0, failures - run) / (double)(seen.Count - run), run) < .001;
    }

    private bool OpenIfSlow(Moment now)
    {
        if (options.SlowOver is not { } over)
            return false;
        var slot = Math.Max(1, over.Ticks / 8);
        var overdue = Mine.Count(call => !call.Done && now.Ticks / slot - call.Started.Ticks / slot > 8);
        var seen = Window(now);
        var calls = seen.Count + overdue;
        if (calls < options.Minimum || seen.Count(e => e.Slow) + overdue < options.SlowRatio * calls)
            return false;
        Open(now);
        return true;
    }

    private List<Ended> Window(Moment now)
    {
        var slot = options.Window.Ticks / 10;
        return _ended.Where(e => now.Ticks / slot - e.At.Ticks / slot < 10).ToList();
    }

    private int Results(bool failed) => _ended.Count(e => (e.Failed || e.Slow) == failed);

    private void LoseLeases(Moment now)
    {
        foreach (var call in Mine.Where(call => call.Probe && !call.Done && call.LeaseUntil <= now))
            call.LeaseLost = true;
    }

    private void ReopenIfProbesFailed(Moment now)
    {
        if (Results(failed: true) > options.Probes - options.Needed || Mine.Count(call => call.LeaseLost) > options.Probes)
            Open(now);
    }

    private void Open(Moment now)
    {
        if (State == BreakerState.Closed && _openings > 0)
            _openings = (int)Math.Max(0, _openings - (long)((now - _closedAt) / _openFor));
        _openFor = new TimeSpan((long)Math.Min(options.OpenMax.Ticks, options.Open.Ticks * Math.Pow(2, _openings)));
        _openUntil = now + _openFor / 2 + _chance.NextDouble() * (_openFor - _openFor / 2);
        _openings++;
        Enter(BreakerState.Open, now);
    }

    private void Enter(BreakerState state, Moment now)
    {
        State = state;
        Generation++;
        _ended.Clear();
        _calls.Clear();
        _closedAt = state == BreakerState.Closed ? now : _closedAt;
        if (state != BreakerState.Ramping)
            return;
        _step = 1;
        _stepEnds = now + new TimeSpan(Math.Max(1, options.Ramp.Ticks / 9));
        _stepBegins = 0;
    }
}
