using Malha.Delivery.Operations;

namespace Malha.Delivery.Dispatch;

/// <summary>What is counted of a lane since the gateway's start.</summary>
internal sealed class LaneCounters
{
    private long _accepted;
    private long _attempts;
    private long _unreached;
    private long _succeeded;
    private long _dead;

    public long Accepted => Interlocked.Read(ref _accepted);

    /// <summary>Attempts that reached the server.</summary>
    public long Attempts => Interlocked.Read(ref _attempts);

    /// <summary>Attempts that no endpoint took.</summary>
    public long Unreached => Interlocked.Read(ref _unreached);

    public long Succeeded => Interlocked.Read(ref _succeeded);

    public long Dead => Interlocked.Read(ref _dead);

    public void CountAccepted() => Interlocked.Increment(ref _accepted);

    public void CountDead() => Interlocked.Increment(ref _dead);

    public void Count(in DeliveryOutcome outcome, Operation after)
    {
        Interlocked.Increment(ref outcome.Kind == DeliveryKind.Unreached ? ref _unreached : ref _attempts);
        if (after.State == OperationState.Succeeded)
            Interlocked.Increment(ref _succeeded);
    }
}
