using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>
/// S8: checks that share a saturated service with the calls time out, and take out one endpoint after the other, which saturates the rest. Ten endpoints, a
/// spike of load that all could nearly bear.
/// </summary>
internal sealed class ProbesScenario : Scenario
{
    private const int Endpoints = 10;
    private const int SpikeAt = 20;
    private const int SpikeSeconds = 30;
    private const int End = 90;
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromMilliseconds(500);

    public override string Name => "S8";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var draws = chance.Fork();
        var pick = chance.Fork();
        var services = Enumerable.Range(0, Endpoints).Select(_ => Service(time, draws)).ToArray();
        var health = services.Select(_ => new HealthState(new HealthOptions { Every = TimeSpan.FromSeconds(1) }, chance.Fork())).ToArray();
        var gateways = services.Select(_ => new Gateway(time, Setup(), chance.Fork())).ToArray();
        var tally = new Tally(End);
        var mostOut = 0;
        for (var i = 0; i < Endpoints; i++)
            Probe(i);

        double Rate(double now) => Endpoints * Capacity * (now is >= SpikeAt and < SpikeAt + SpikeSeconds ? 1.4 : .6);
        time.Arrivals(chance.Fork(), Rate, End, Ask);
        time.RunUntil(End);
        return Result(
            arm,
            seed,
            tally,
            Check.AtMost("most endpoints out", mostOut / (double)Endpoints, .1),
            Check.AtLeast("goodput from 10 s after the spike", tally.Share(SpikeAt + SpikeSeconds + 10, End - 2), .95));

        void Ask()
        {
            var usable = Enumerable.Range(0, Endpoints).Where(i => health[i].Health != Health.Unhealthy).ToArray();
            mostOut = Math.Max(mostOut, Endpoints - usable.Length);
            if (usable.Length == 0)
            {
                tally.Ask(time.Seconds);
                return;
            }

            var chosen = usable[pick.Next(usable.Length)];
            Caller(arm, time, tally, services[chosen], gateways[chosen])();
        }

        // A probe is a call like any other to the service; what differs is that Malha keeps the service's own queue short.
        void Probe(int i)
        {
            var over = false;
            services[i].Call(TimeSpan.FromMilliseconds(1), _ => Done(true));
            time.After(ProbeTimeout, () => Done(false));
            time.After(health[i].NextProbe(), () => Probe(i));

            void Done(bool success)
            {
                if (over)
                    return;
                over = true;
                health[i].OnProbe(new ProbeResult(success), time.Now);
            }
        }
    }
}

/// <summary>
/// S9: a dependency dies, and restarts cold: from a tenth of its speed to all of it in 20 s. The naive caller returns with everything at once and its blind
/// breaker (five failures open it, 5 s later all may pass) opens again and again.
/// </summary>
internal sealed class ColdStartScenario : Scenario
{
    private const int DiesAt = 20;
    private const int RestartsAt = 30;
    private const double WarmUp = 20;
    private const double Load = 120;
    private const int End = 100;

    public override string Name => "S9";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = Service(time, chance.Fork());
        service.Outcome = () => time.Seconds is >= DiesAt and < RestartsAt ? OutcomeKind.Failure : OutcomeKind.Success;
        service.Slowness = () => time.Seconds < RestartsAt ? 1 : 1 / Math.Clamp(.1 + .9 * (time.Seconds - RestartsAt) / WarmUp, .1, 1);
        var tally = new Tally(End);
        var gateway = new Gateway(time, Setup(), chance.Fork());
        var blind = new BlindBreaker(time, service.Call);
        var ask = arm == Arm.Malha
            ? Caller(arm, time, tally, service, gateway)
            : new BlindCaller(time, tally, blind.Call, AttemptTimeout, BlindRetries).Ask;
        time.Arrivals(chance.Fork(), _ => Load, End, ask);
        time.RunUntil(End + 5);

        var reopenings = arm == Arm.Malha
            ? gateway.Transitions.Count(t => t.To == BreakerState.Open && t.At > new Moment(RestartsAt * TimeSpan.TicksPerSecond))
            : blind.OpenedAt.Count(at => at > RestartsAt);
        return Result(
            arm,
            seed,
            tally,
            Check.AtMost("openings after the restart", reopenings, 1),
            Check.AtLeast("goodput once it is warm", tally.Share(RestartsAt + WarmUp + 15, End), .95));
    }

    /// <summary>The breaker of many a tutorial: five failures open, 5 s later everything may pass.</summary>
    private sealed class BlindBreaker(VirtualTime time, Action<Answered> send)
    {
        private int _failures;
        private double _openUntil;

        public List<double> OpenedAt { get; } = [];

        public void Call(Answered answer)
        {
            if (time.Seconds < _openUntil)
            {
                answer(OutcomeKind.BackPressure);
                return;
            }

            var over = false;
            send(Done);
            time.After(AttemptTimeout, () => Done(OutcomeKind.Timeout));

            void Done(OutcomeKind outcome)
            {
                if (over)
                    return;
                over = true;
                _failures = outcome == OutcomeKind.Success ? 0 : _failures + 1;
                if (_failures >= 5 && time.Seconds >= _openUntil)
                {
                    _openUntil = time.Seconds + 5;
                    _failures = 0;
                    OpenedAt.Add(time.Seconds);
                }

                answer(outcome);
            }
        }
    }
}

/// <summary>
/// S10: one of ten shards, to which the key of a call leads, fails fully. A breaker of the whole service that counts five failures in 10 s opens for
/// everybody; Malha has one per endpoint.
/// </summary>
internal sealed class ShardScenario : Scenario
{
    private const int Shards = 10;
    private const int FailsAt = 20;
    private const double Load = 500;
    private const int End = 80;

    public override string Name => "S10";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var draws = chance.Fork();
        var keys = chance.Fork();
        var services = Enumerable.Range(0, Shards).Select(_ => Service(time, draws)).ToArray();
        services[3].Outcome = () => time.Seconds >= FailsAt ? OutcomeKind.Failure : OutcomeKind.Success;
        var gateways = services.Select(_ => new Gateway(time, Setup(), chance.Fork())).ToArray();
        var tally = new Tally(End);
        var failures = new Queue<double>();
        var closedFor = 0.0;
        var refused = 0;
        time.Arrivals(chance.Fork(), _ => Load, End, () =>
        {
            var shard = keys.Next(Shards);
            if (arm == Arm.Malha)
            {
                Caller(arm, time, tally, services[shard], gateways[shard])();
                return;
            }

            if (time.Seconds < closedFor)
            {
                tally.Ask(time.Seconds);
                refused++;
                return;
            }

            var caller = new BlindCaller(time, tally, services[shard].Call, AttemptTimeout, 0);
            caller.Ask(outcome =>
            {
                if (outcome == OutcomeKind.Success)
                    return;
                failures.Enqueue(time.Seconds);
                while (failures.TryPeek(out var at) && at < time.Seconds - 10)
                    failures.Dequeue();
                if (failures.Count >= 5)
                    closedFor = time.Seconds + 5;
            });
        });
        time.RunUntil(End + 5);

        var others = gateways.Where((_, i) => i != 3).Sum(g => g.Transitions.Count);
        return Result(
            arm,
            seed,
            tally,
            Check.AtMost("openings for the shards that work", arm == Arm.Malha ? others : refused, 0),
            Check.AtLeast("goodput of nine in ten", tally.Share(FailsAt + 5, End) / .9, .98));
    }
}

/// <summary>
/// S11: the half-open breaker's probe hangs for ever. S12: its caller cancels it. A breaker that counts its probes by their answers alone waits for that
/// answer for good.
/// </summary>
internal sealed class ProbeLossScenario(bool cancelled) : Scenario
{
    private const int DiesAt = 5;
    private const int RevivesAt = 7;
    private const double Load = 20;
    private const int End = 60;

    public override string Name => cancelled ? "S12" : "S11";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var tally = new Tally(End);
        var moves = new List<BreakerTransition>();
        var breaker = new CircuitBreaker(new BreakerOptions { Probes = 1 }, chance.Fork(), moves.Add);
        var lost = false;
        var stuck = false;
        var (naiveOpenUntil, naiveFailures) = (0.0, 0);
        time.Arrivals(chance.Fork(), _ => Load, End, () =>
        {
            tally.Ask(time.Seconds);
            if (arm == Arm.Malha)
                Malha();
            else
                Naive();
        });
        time.RunUntil(End + 1);

        // Without the loss it is closed again one open time after it opened; the lease is one more.
        var halfOpen = arm == Arm.Malha ? moves.First(m => m.To == BreakerState.HalfOpen).At.Ticks / 1e7 : naiveOpenUntil;
        var recovered = arm == Arm.Malha ? moves.Where(m => m.To is BreakerState.Ramping or BreakerState.Closed).Select(m => m.At.Ticks / 1e7).FirstOrDefault(double.PositiveInfinity) : double.PositiveInfinity;
        if (arm != Arm.Malha && !stuck)
            recovered = halfOpen;
        return Result(
            arm,
            seed,
            tally,
            Check.AtMost("seconds from half-open to recovery", recovered - halfOpen, cancelled ? 1 : Defaults.BreakerOpen.TotalSeconds + 1),
            Check.AtLeast("goodput in the end", tally.Share(End - 20, End), .99));

        OutcomeKind Answer() => time.Seconds is >= DiesAt and < RevivesAt ? OutcomeKind.Failure : OutcomeKind.Success;

        void Malha()
        {
            var decision = breaker.TryAcquire(time.Now);
            if (!decision.Allowed)
                return;
            if (decision.Permit.IsProbe && !lost)
            {
                lost = true;
                if (cancelled)
                    time.After(TimeSpan.FromMilliseconds(20), () => breaker.Report(decision.Permit, OutcomeKind.Abandoned, time.Now));
                return;
            }

            var (askedAt, outcome) = (time.Seconds, Answer());
            time.After(Work, () =>
            {
                breaker.Report(decision.Permit, outcome, time.Now);
                if (outcome == OutcomeKind.Success)
                    tally.Succeed(askedAt, time.Now);
            });
        }

        void Naive()
        {
            if (stuck || time.Seconds < naiveOpenUntil)
                return;
            if (naiveOpenUntil > 0 && !lost)
            {
                (lost, stuck) = (true, true);
                return;
            }

            var outcome = Answer();
            naiveFailures = outcome == OutcomeKind.Success ? 0 : naiveFailures + 1;
            if (naiveFailures >= 5)
                naiveOpenUntil = time.Seconds + 5;
            if (outcome == OutcomeKind.Success)
                tally.Succeed(time.Seconds, time.Now);
        }
    }
}
