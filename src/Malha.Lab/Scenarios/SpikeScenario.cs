using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>S4: .8 of the capacity, then twice the capacity for 10 s; a quarter of the usual load is critical, and all that is added is batch.</summary>
internal sealed class SpikeScenario : Scenario
{
    private const int SpikeAt = 30;
    private const int SpikeSeconds = 10;
    private const double Critical = 40;
    private const double Batch = 120;
    private const int End = 60;

    public override string Name => "S4";

    public static AdmissionOptions Classes { get; } = new()
    {
        Classes =
        [
            new ShareOptions { Name = "critical", Share = 50 },
            new ShareOptions { Name = "standard", Share = 40, Lend = .5 },
            new ShareOptions { Name = "batch", Share = 10, Lend = 1 },
        ],
    };

    public override ScenarioResult Run(Arm arm, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = Service(time, chance.Fork());
        var critical = new Tally(End);
        var batch = new Tally(End);
        var gateway = new Gateway(time, Setup(Classes), chance.Fork());
        double Rate(double now) => now is >= SpikeAt and < SpikeAt + SpikeSeconds ? 2 * Capacity - Critical : Batch;
        time.Arrivals(chance.Fork(), _ => Critical, End, Caller(arm, time, critical, service, gateway, 0));
        time.Arrivals(chance.Fork(), Rate, End, Caller(arm, time, batch, service, gateway, 2));
        time.RunUntil(End + 5);
        var p99 = Math.Max(critical.LatencyMs(.99, SpikeAt, SpikeAt + SpikeSeconds), batch.LatencyMs(.99, SpikeAt, SpikeAt + SpikeSeconds));
        return Result(
            arm,
            seed,
            critical,
            Check.AtMost("p99 of the admitted during the spike, ms", p99, 500),
            Check.AtLeast("critical answered", critical.Share(SpikeAt, SpikeAt + SpikeSeconds), .994),
            Check.AtLeast("batch answered", batch.Share(SpikeAt, SpikeAt + SpikeSeconds), .2));
    }
}
