using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>S7: three layers with three attempts each above a leaf that fails: 27 calls for one.</summary>
internal sealed class LayersScenario : Scenario
{
    private const double Load = 500;
    private const int Attempts = 3;
    private const int FailAt = 20;
    private const int End = 60;

    public override string Name => "S7";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var leaf = new SimulatedService(time, 1_000, () => TimeSpan.FromMilliseconds(5));
        leaf.Outcome = () => time.Seconds >= FailAt ? OutcomeKind.Failure : OutcomeKind.Success;
        var tally = new Tally(End);
        var calls = new Tally(End);
        Action<Answered> send = answer =>
        {
            calls.Attempt(time.Seconds);
            leaf.Call(answer);
        };
        for (var layer = 0; layer < 3; layer++)
            send = Layer(arm, time, chance, send);

        time.Arrivals(chance.Fork(), _ => Load, End, () =>
        {
            var askedAt = time.Seconds;
            tally.Ask(askedAt);
            send(outcome =>
            {
                if (outcome == OutcomeKind.Success)
                    tally.Succeed(askedAt, time.Now);
            });
        });
        time.RunUntil(End);
        var amplification = calls.AttemptsPerSecond(FailAt, End) / tally.AskedPerSecond(FailAt, End);
        return Result(arm, seed, tally, Check.AtMost("leaf calls per request while it fails", amplification, 1.35));
    }

    /// <summary>Only the budget stands between: breaker and limit would stop even more, and hide what is shown here.</summary>
    private static Action<Answered> Layer(Arm arm, VirtualTime time, Chance chance, Action<Answered> below)
    {
        if (arm != Arm.Malha)
            return answer => new BlindCaller(time, new Tally(End), below, AttemptTimeout, Attempts - 1).Ask(answer);
        var setup = new GatewaySetup
        {
            Admission = null,
            Breaker = null,
            Retry = new RetryOptions { Attempts = Attempts, Base = TimeSpan.FromMilliseconds(1), Max = TimeSpan.FromMilliseconds(10) },
        };
        var gateway = new Gateway(time, setup, chance.Fork());
        return answer => gateway.Ask(below, outcome => answer(outcome));
    }
}
