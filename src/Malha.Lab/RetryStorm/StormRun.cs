using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.RetryStorm;

/// <summary>How callers retry.</summary>
internal enum Retrying
{
    Never = 0,

    /// <summary>Three times, at once.</summary>
    Blind = 1,

    /// <summary>Three times, with full jitter, however many fail.</summary>
    Jitter = 2,

    /// <summary>Three times, with full jitter, paid from Malha's budget.</summary>
    Budget = 3,

    /// <summary>As Malha comes: the budget, and a limit on what is in flight.</summary>
    Malha = 4,
}

/// <summary>The usual service of the scenarios (200/s) at 140/s, which stands still for 3 s; or one that fails a share of its calls.</summary>
internal static class StormRun
{
    public const int StallAt = 30;
    public const int StallSeconds = 3;
    public const int End = 120;
    public const int Attempts = 4;
    private const double Load = 140;
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Takes = TimeSpan.FromMilliseconds(40);

    public static Tally Stall(Retrying retrying, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var work = chance.Fork();
        var service = new SimulatedService(time, 8, () => work.Exponential(Takes));
        service.Stall(StallAt, StallSeconds);
        var tally = new Tally(End);
        time.Arrivals(chance.Fork(), _ => Load, End, Caller(retrying, time, chance.Fork(), tally, service));
        time.RunUntil(End + 5);
        return tally;
    }

    /// <summary>Attempts per request at a service of any size that fails a share of all calls, at once.</summary>
    public static double Amplification(Retrying retrying, double failing, ulong seed)
    {
        const int seconds = 120;
        const int settled = 20;
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var fails = chance.Fork();
        var service = new SimulatedService(time, 10_000, () => TimeSpan.FromMilliseconds(5));
        var tally = new Tally(seconds);
        var ask = Caller(retrying, time, chance.Fork(), tally, service);
        service.Outcome = () => fails.NextDouble() < failing ? OutcomeKind.Failure : OutcomeKind.Success;
        time.Arrivals(chance.Fork(), _ => 200, seconds, ask);
        time.RunUntil(seconds);
        return tally.AttemptsPerSecond(settled, seconds) / tally.AskedPerSecond(settled, seconds);
    }

    private static Action Caller(Retrying retrying, VirtualTime time, Chance chance, Tally tally, SimulatedService service)
    {
        if (retrying is Retrying.Never or Retrying.Blind)
            return new BlindCaller(time, tally, service.Call, AttemptTimeout, retrying == Retrying.Never ? 0 : Attempts - 1).Ask;
        var setup = new GatewaySetup
        {
            Breaker = null,
            Retry = new RetryOptions { Attempts = Attempts },
            Deadline = new DeadlineOptions { Timeout = AttemptTimeout * Attempts + TimeSpan.FromSeconds(1), AttemptTimeout = AttemptTimeout },
        };
        if (retrying != Retrying.Malha)
            setup = setup with { Admission = null };
        if (retrying == Retrying.Jitter)
            setup = setup with { Budget = new RetryBudgetOptions { Ratio = 1, FloorPerSecond = 1_000_000 } };
        var gateway = new Gateway(time, setup, chance);
        return new GatewayCaller(time, tally, gateway, service.Call).Ask;
    }
}
