using Malha.Resilience;

namespace Malha.Lab.Simulation;

/// <summary>The caller who asks once and leaves the rest to the gateway.</summary>
internal sealed class GatewayCaller(VirtualTime time, Tally tally, Gateway gateway, Action<Answered> send, int shareClass = 0)
{
    public void Ask()
    {
        var askedAt = time.Seconds;
        tally.Ask(askedAt);
        gateway.Ask(
            answer =>
            {
                tally.Attempt(time.Seconds);
                send(answer);
            },
            outcome =>
            {
                if (outcome == OutcomeKind.Success)
                    tally.Succeed(askedAt, time.Now);
            },
            shareClass);
    }
}
