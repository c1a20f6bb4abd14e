using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>What happens to the service of ten workers.</summary>
internal enum Trouble
{
    /// <summary>Five times the capacity, from the start.</summary>
    Overload = 0,

    /// <summary>.7 of the capacity; five times the capacity for 10 s.</summary>
    Spike = 1,

    /// <summary>.7 of the capacity; everything stands for 3 s.</summary>
    Stall = 2,

    /// <summary>.7 of the capacity; five times slower for 10 s.</summary>
    SlowSpell = 3,

    /// <summary>Half of the workers die under twice the load.</summary>
    LostWorkers = 4,
}

/// <summary>
/// A service of ten workers that each take 50 ms, with an unbounded queue, behind a gateway that knows nothing but where it is. Clients wait 1 s and, where
/// the trouble is short, ask up to three times more. The naive arm has no gateway.
/// </summary>
internal sealed class TenWorkers(Trouble trouble, bool besideHeldSeats = false) : Scenario
{
    private const int Workers = 10;
    private const int From = 20;
    private const int End = 60;
    private static readonly TimeSpan Takes = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ClientsWait = TimeSpan.FromSeconds(1);

    public override string Name => trouble.ToString();

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = new SimulatedService(time, Workers, () => Takes);
        if (trouble == Trouble.Stall)
            service.Stall(From, 3);
        if (trouble == Trouble.SlowSpell)
            service.Slow(From, 10, 5);
        if (trouble == Trouble.LostWorkers)
            service.Workers = () => time.Seconds >= From ? Workers / 2 : Workers;
        var tally = new Tally(End);
        var gateway = new Gateway(time, new GatewaySetup { Retry = new RetryOptions { Attempts = 1 }, Admission = Admission }, chance.Fork());
        var retries = trouble is Trouble.Overload or Trouble.LostWorkers ? 0 : 3;
        Action ask = arm == Arm.Malha
            ? () => WaitingClient.Ask(time, tally, gateway, service.Call, ClientsWait, retries, besideHeldSeats ? 1 : 0)
            : new BlindCaller(time, tally, service.Call, ClientsWait, retries).Ask;
        time.Arrivals(chance.Fork(), Rate, End, ask);
        time.RunUntil(End + 5);
        return Judge(arm, seed, tally);
    }

    private AdmissionOptions Admission => besideHeldSeats
        ? new AdmissionOptions { Classes = [new ShareOptions { Name = "absent" }, new ShareOptions { Name = "batch", Lend = 1 }] } : new AdmissionOptions();

    private double Rate(double now) => trouble switch
    {
        Trouble.Overload => 5 * Capacity,
        Trouble.LostWorkers => 2 * Capacity,
        Trouble.Spike when now is >= From and < From + 10 => 5 * Capacity,
        _ => .7 * Capacity,
    };

    private ScenarioResult Judge(Arm arm, ulong seed, Tally tally)
    {
        if (trouble == Trouble.Overload)
        {
            return Result(
                arm,
                seed,
                tally,
                Check.AtLeast("goodput from 2 s on, of what can be served", tally.GoodPerSecond(2, End) / Capacity, .95),
                Check.AtMost("p99 of the admitted, ms", tally.LatencyMs(.99, 2, End), 200));
        }

        if (trouble == Trouble.LostWorkers)
        {
            return Result(
                arm,
                seed,
                tally,
                Check.AtLeast("goodput with all workers", tally.GoodPerSecond(2, From) / Capacity, .95),
                Check.AtLeast("goodput from 4 s after the loss, of what is left", tally.GoodPerSecond(From + 4, End) / (Capacity / 2), .95),
                Check.AtMost("p99 of the admitted, ms", tally.LatencyMs(.99, From + 4, End), 200));
        }

        var over = From + (trouble == Trouble.Stall ? 3 : 10);
        var recovery = tally.RecoveryAfter(over, .95);
        return Result(arm, seed, tally, Check.AtMost("seconds to five good seconds in a row", recovery, 2)) with { RecoverySeconds = recovery };
    }
}

/// <summary>A critical client at 50/s beside a batch client at 950/s, at the same service of ten workers.</summary>
internal sealed class CriticalBesideBatch : Scenario
{
    private const int End = 60;

    public override string Name => "Critical";

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = new SimulatedService(time, 10, () => TimeSpan.FromMilliseconds(50));
        var gateway = new Gateway(time, new GatewaySetup { Admission = SpikeScenario.Classes, Retry = new RetryOptions { Attempts = 1 } }, chance.Fork());
        var critical = new Tally(End);
        var batch = new Tally(End);
        time.Arrivals(chance.Fork(), _ => 50, End, Client(critical, 0));
        time.Arrivals(chance.Fork(), _ => 950, End, Client(batch, 2));
        time.RunUntil(End + 2);
        return Result(
            arm,
            seed,
            critical,
            Check.AtLeast("critical answered", critical.Share(2, End), .994),
            Check.AtLeast("batch answered per second", batch.GoodPerSecond(2, End), 20));

        Action Client(Tally tally, int shareClass) => arm == Arm.Malha
            ? () => WaitingClient.Ask(time, tally, gateway, service.Call, TimeSpan.FromSeconds(1), 0, shareClass)
            : new BlindCaller(time, tally, service.Call, TimeSpan.FromSeconds(1), 0).Ask;
    }
}
