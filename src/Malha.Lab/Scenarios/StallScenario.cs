using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>S1: at 140/s of 200/s, everything stands still for 3 s. The queue that this leaves is kept alive by retries for ever.</summary>
internal sealed class StallScenario : Scenario
{
    public const int StallAt = 30;
    public const double StallSeconds = 3;
    private const int End = 120;

    public double Load { get; init; } = 140;

    public override string Name => "S1";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = Service(time, chance.Fork());
        service.Stall(StallAt, StallSeconds);
        var tally = new Tally(End);
        var gateway = new Gateway(time, Setup(), chance.Fork());
        time.Arrivals(chance.Fork(), _ => Load, End, Caller(arm, time, tally, service, gateway));
        time.RunUntil(End + 5);

        var over = StallAt + (int)StallSeconds;
        return Result(
            arm,
            seed,
            tally,
            Check.AtLeast("goodput from 10 s after the stall", tally.Share(over + 10, End), .95),
            Check.AtMost("attempts per request afterwards", tally.AttemptsPerSecond(over + 10, End) / tally.AskedPerSecond(over + 10, End), 1.12)) with
        {
            RecoverySeconds = tally.RecoveryAfter(over, .95),
        };
    }
}

/// <summary>S3: S1's trigger at loads from a fifth to nearly all of the capacity: up to which load does it recover?</summary>
internal sealed class LoadSweepScenario : Scenario
{
    public static readonly double[] Loads = [.2, .3, .5, .7, .8, .9, .95];

    public override string Name => "S3";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var recovered = 0.0;
        foreach (var load in Loads)
        {
            var run = new StallScenario { Load = load * Capacity }.Run(arm, seed);
            // Near the capacity some are refused by nature: recovered is what was good before the stall. From 10 s after it to the end: of a shorter stretch
            // one in sixty falls short by chance alone.
            var (from, last) = (StallScenario.StallAt + (int)StallScenario.StallSeconds + 10, run.Asked.Count - 2);
            if (Share(run, from, last) < .95 * Share(run, 5, StallScenario.StallAt))
                break;
            recovered = load;
        }

        return new ScenarioResult(Name, arm, seed) { Checks = [Check.AtLeast("recovers up to a load of", recovered, .95)] };
    }

    private static double Share(ScenarioResult run, int from, int to) =>
        run.Good.Take(to).Skip(from).Sum() / (double)run.Asked.Take(to).Skip(from).Sum();
}
