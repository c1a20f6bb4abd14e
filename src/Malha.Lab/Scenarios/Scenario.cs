using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>
/// One of the metastability scenarios: a service that a trigger pushes over, and a load that keeps it down unless somebody stops. Each has a naive arm that
/// must fail, else it proves nothing, and Malha's.
/// </summary>
internal abstract class Scenario
{
    /// <summary>Work per call, slots and so the capacity of the usual service: 200/s.</summary>
    protected const double Capacity = 200;
    protected const int Slots = 8;
    protected const int BlindRetries = 3;
    protected static readonly TimeSpan Work = TimeSpan.FromMilliseconds(40);
    protected static readonly TimeSpan AttemptTimeout = TimeSpan.FromMilliseconds(500);

    public abstract string Name { get; }

    public abstract ScenarioResult Run(Arm arm, ulong seed);

    /// <summary>The same per-attempt timeout and number of attempts as the naive caller, everything else as it comes.</summary>
    protected static GatewaySetup Setup(AdmissionOptions? admission = null) => new()
    {
        Admission = admission ?? new AdmissionOptions(),
        Retry = new RetryOptions { Attempts = 1 + BlindRetries },
        Deadline = new DeadlineOptions { Timeout = AttemptTimeout * (1 + BlindRetries), AttemptTimeout = AttemptTimeout },
    };

    protected static SimulatedService Service(VirtualTime time, Chance chance) => new(time, Slots, () => chance.Exponential(Work));

    /// <summary>What a client does for one request, by arm.</summary>
    protected static Action Caller(Arm arm, VirtualTime time, Tally tally, SimulatedService service, Gateway gateway, int shareClass = 0)
    {
        if (arm != Arm.Malha)
            return new BlindCaller(time, tally, service.Call, AttemptTimeout, arm == Arm.Naive ? BlindRetries : 0).Ask;
        return new GatewayCaller(time, tally, gateway, service.Call, shareClass).Ask;
    }

    protected ScenarioResult Result(Arm arm, ulong seed, Tally tally, params Check[] checks) => new(Name, arm, seed)
    {
        Asked = tally.Asked,
        Good = tally.Good,
        Attempts = tally.Attempts,
        Checks = checks,
    };
}
