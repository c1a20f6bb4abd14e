namespace Malha.Proxy.SelfProtection;

/// <summary>What the gateway gives up beside requests: idle connections on both sides, and garbage. Runs on a thread of the pool, for one verdict at a time.</summary>
internal sealed class PressureRelief(GatewayHost host)
{
    /// <summary>Idle connections to endpoints come back with each answer: closing them once a second keeps the pools small and reuse alive.</summary>
    private static readonly TimeSpan IdleEvery = TimeSpan.FromSeconds(1);

    /// <summary>A full collection stops the gateway for as long as its heap is large.</summary>
    private static readonly TimeSpan CollectEvery = TimeSpan.FromSeconds(10);

    /// <summary>So many looks let all resting connections go: a second and a half, so that they do not all come back at once.</summary>
    private const int Portions = 16;

    private long _closedIdleAt;
    private long _collectedAt;

    public void Act(Verdict verdict)
    {
        var stage = verdict.Stage;
        if (stage < ProtectionStage.NotAccepting)
        {
            foreach (var listener in host.Listeners)
                listener.Wake();
        }
        if (stage >= ProtectionStage.NoKeepAlive && IsDue(ref _closedIdleAt, IdleEvery))
        {
            foreach (var endpoint in host.Plane.Model.Services.Values.SelectMany(service => service.Endpoints))
                endpoint.CloseIdle();
        }
        // Resting connections would hold their places until their timeout, while others wait for one.
        if (stage == ProtectionStage.NotAccepting)
        {
            foreach (var listener in host.Listeners)
                listener.LetRestingGo((listener.Connections + Portions - 1) / Portions);
        }
        // Who takes nothing in allocates nothing, and nobody would ever collect.
        if (stage >= ProtectionStage.Shedding && verdict.Tightest.Kind == BudgetKind.Memory && IsDue(ref _collectedAt, CollectEvery))
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    private bool IsDue(ref long last, TimeSpan interval)
    {
        var now = host.Plane.Time.GetTimestamp() | 1;
        if (last != 0 && host.Plane.Time.GetElapsedTime(last, now) < interval)
            return false;
        last = now;
        return true;
    }
}
