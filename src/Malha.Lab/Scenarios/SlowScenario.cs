using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>S2: the service is five times slower for 10 s, at 140/s.</summary>
internal sealed class SlowScenario : Scenario
{
    private const int SlowAt = 30;
    private const int SlowSeconds = 10;
    private const double Factor = 5;
    private const double Load = 140;
    private const int End = 90;

    public override string Name => "S2";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = Service(time, chance.Fork());
        service.Slow(SlowAt, SlowSeconds, Factor);
        var tally = new Tally(End);
        var gateway = new Gateway(time, Setup(), chance.Fork());
        time.Arrivals(chance.Fork(), _ => Load, End, Caller(arm, time, tally, service, gateway));
        time.RunUntil(End + 5);
        // Good are nine tenths: a trial of the limit may cost a second some of its calls.
        var recovery = tally.RecoveryAfter(SlowAt + SlowSeconds, .9);
        return Result(
            arm,
            seed,
            tally,
            Check.AtLeast("goodput while slow, of the 40/s that are left", tally.GoodPerSecond(SlowAt, SlowAt + SlowSeconds) / (Capacity / Factor), .8),
            Check.AtMost("seconds to recover", recovery, 10)) with
        {
            RecoverySeconds = recovery,
        };
    }
}

/// <summary>S5: a service that loses a slot for every 50 calls that queue, hit by 18 % more load for 20 s.</summary>
internal sealed class CollapseScenario : Scenario
{
    private const int SpikeAt = 30;
    private const int SpikeSeconds = 20;
    private const double Load = 180;
    private const double Spike = 1.18;
    private const int End = 120;

    public override string Name => "S5";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = Service(time, chance.Fork());
        service.Workers = () => Math.Max(1, Slots - service.Queued / 50);
        var tally = new Tally(End);
        var gateway = new Gateway(time, Setup(), chance.Fork());
        double Rate(double now) => now is >= SpikeAt and < SpikeAt + SpikeSeconds ? Load * Spike : Load;
        time.Arrivals(chance.Fork(), Rate, End, Caller(arm, time, tally, service, gateway));
        time.RunUntil(End + 5);
        var before = tally.Share(5, SpikeAt);
        return Result(
            arm,
            seed,
            tally,
            Check.AtLeast("goodput before", before, .85),
            Check.AtLeast("goodput from 10 s after the spike, of that before", tally.Share(SpikeAt + SpikeSeconds + 10, End) / before, .95));
    }
}
