using Malha.Lab.Scenarios;
using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Breaker;

/// <summary>
/// One endpoint at 100/s of the 200/s that it can do. From second 20 it answers with errors, from 110 it answers nothing at all and comes back cold at 125: from
/// a fifth of its speed to all of it in 10 s. Only the breaker stands before it, so that what is seen is its doing.
/// </summary>
internal sealed class BreakerRun
{
    public const int FailsAt = 20;
    public const int FailsFor = 15;
    public const int HangsAt = 110;
    public const int HangsFor = 15;
    public const int End = 220;
    public static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(10);
    private const double WarmUp = 10;
    private const double Load = 100;
    private static readonly TimeSpan Takes = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan SlowOver = TimeSpan.FromSeconds(1);

    private BreakerRun(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = Service(time, chance.Fork());
        var setup = new GatewaySetup
        {
            Admission = null,
            Breaker = new BreakerOptions { SlowOver = SlowOver },
            Retry = new RetryOptions { Attempts = 1 },
            Deadline = new DeadlineOptions { Timeout = 2 * AttemptTimeout, AttemptTimeout = AttemptTimeout },
        };
        var gateway = new Gateway(time, setup, chance.Fork());
        var shares = new List<(double At, double Share)>();
        for (var i = 0; i < End * 4; i++)
            time.AtSecond(i / 4.0, () => shares.Add((time.Seconds, gateway.Breaker!.Share(time.Now))));
        time.Arrivals(chance.Fork(), _ => Load, End, () => Ask(arm, time, service, gateway));
        time.RunUntil(End + 15);
        Transitions = gateway.Transitions;
        PassingShare = shares;
    }

    public Tally Tally { get; } = new(End);

    public IReadOnlyList<BreakerTransition> Transitions { get; }

    /// <summary>The share of calls that the breaker would let pass, four times a second.</summary>
    public IReadOnlyList<(double At, double Share)> PassingShare { get; }

    /// <summary>What those who got no answer had waited, in milliseconds, by when they had asked.</summary>
    public List<(double At, double Ms)> Waits { get; } = [];

    public static BreakerRun Run(Arm arm, ulong seed) => new(arm, seed);

    /// <summary>Calls that a service that could not answer was sent all the same.</summary>
    public double SentTo(int from, int seconds) => Tally.AttemptsPerSecond(from, from + seconds) * seconds;

    public double MeanWait(int from, int seconds) =>
        Waits.Where(wait => wait.At >= from && wait.At < from + seconds).Select(wait => wait.Ms).DefaultIfEmpty().Average();

    private static SimulatedService Service(VirtualTime time, Chance chance)
    {
        var service = new SimulatedService(time, 8, () => chance.Exponential(Takes))
        {
            Outcome = () => time.Seconds is >= FailsAt and < FailsAt + FailsFor ? OutcomeKind.Failure : OutcomeKind.Success,
        };
        service.Stall(HangsAt, HangsFor);
        service.Slowness = () => time.Seconds < HangsAt + HangsFor ? 1 : 1 / Math.Clamp(.2 + .8 * (time.Seconds - HangsAt - HangsFor) / WarmUp, .2, 1);
        return service;
    }

    private void Ask(Arm arm, VirtualTime time, SimulatedService service, Gateway gateway)
    {
        if (arm != Arm.Malha)
        {
            var asked = time.Seconds;
            new BlindCaller(time, Tally, service.Call, AttemptTimeout, 0).Ask(outcome => Done(outcome, asked, time));
            return;
        }

        var askedAt = time.Seconds;
        Tally.Ask(askedAt);
        gateway.Ask(
            answer =>
            {
                Tally.Attempt(time.Seconds);
                service.Call(answer);
            },
            outcome =>
            {
                if (outcome == OutcomeKind.Success)
                    Tally.Succeed(askedAt, time.Now);
                Done(outcome, askedAt, time);
            });
    }

    private void Done(OutcomeKind outcome, double askedAt, VirtualTime time)
    {
        if (outcome != OutcomeKind.Success)
            Waits.Add((askedAt, (time.Seconds - askedAt) * 1000));
    }
}
