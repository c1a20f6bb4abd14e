using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>
/// S6: a cache that answers 90 % of 300/s is flushed; the database behind it does 40/s. A miss that the database answers fills its entry; entries die after a
/// while, so that the hit ratio stays at 90 % only as long as the misses are answered.
/// </summary>
internal sealed class CacheScenario : Scenario
{
    private const int Keys = 2_000;
    private const double Load = 300;
    private const double Database = 40;
    private const int FlushAt = 60;
    private const int End = 140;
    private static readonly TimeSpan LivesFor = TimeSpan.FromSeconds(80);

    public override string Name => "S6";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var keys = chance.Fork();
        var work = chance.Fork();
        var database = new SimulatedService(time, 8, () => work.Exponential(TimeSpan.FromSeconds(8 / Database)));
        var cachedUntil = new double[Keys];
        for (var i = 0; i < Keys; i++)
            cachedUntil[i] = keys.NextDouble() * LivesFor.TotalSeconds;
        var tally = new Tally(End);
        var hits = new int[End + 1];
        var gateway = new Gateway(time, Setup(), chance.Fork());

        time.Arrivals(chance.Fork(), _ => Load, End, () =>
        {
            var key = Popular(keys);
            var askedAt = time.Seconds;
            tally.Ask(askedAt);
            if (cachedUntil[key] > askedAt)
            {
                hits[(int)askedAt]++;
                tally.Succeed(askedAt, time.Now);
                return;
            }

            if (arm == Arm.Malha)
                gateway.Ask(database.Call, outcome => Filled(outcome, key));
            else
                new BlindCaller(time, new Tally(End), database.Call, AttemptTimeout, BlindRetries).Ask(outcome => Filled(outcome, key));
        });
        time.AtSecond(FlushAt, () => Array.Clear(cachedUntil));
        time.RunUntil(End);

        var ratio = hits.Skip(FlushAt + 55).Take(10).Sum() / (double)tally.Asked.Skip(FlushAt + 55).Take(10).Sum();
        var before = hits.Skip(FlushAt - 20).Take(20).Sum() / (double)tally.Asked.Skip(FlushAt - 20).Take(20).Sum();
        return Result(arm, seed, tally, Check.AtLeast("hit ratio before", before, .85), Check.AtLeast("hit ratio 60 s after the flush", ratio, .85));

        // Only an answer that the caller still waited for fills the cache.
        void Filled(OutcomeKind outcome, int key)
        {
            if (outcome == OutcomeKind.Success)
                cachedUntil[key] = time.Seconds + LivesFor.TotalSeconds * (.5 + keys.NextDouble());
        }
    }

    /// <summary>Some keys are asked for far more often than others.</summary>
    private static int Popular(Chance chance) => (int)(Keys * Math.Pow(chance.NextDouble(), 3));
}
