using Malha.Delivery.Operations;

namespace Malha.Delivery.Dispatch;

/// <summary>What is counted of a lane since the gateway's start.</summary>
internal sealed class LaneCounters
{
    private const int Seconds = 10;

    private readonly Lock _lock = new();
    private readonly (long Second, int Count)[] _seconds = new (long, int)[Seconds + 2];
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

    /// <summary>Operations that succeeded in a second, over the last ten.</summary>
    public double Rate(DateTimeOffset now)
    {
        var second = now.ToUnixTimeSeconds();
        lock (_lock)
        {
            var sum = 0;
            for (var back = 1; back <= Seconds; back++)
                sum += _seconds[(second - back) % _seconds.Length] is var (at, count) && at == second - back ? count : 0;
            return sum / (double)Seconds;
        }
    }

    public void CountAccepted() => Interlocked.Increment(ref _accepted);

    public void CountDead() => Interlocked.Increment(ref _dead);

    public void Count(in DeliveryOutcome outcome, Operation after, DateTimeOffset now)
    {
        Interlocked.Increment(ref outcome.Kind == DeliveryKind.Unreached ? ref _unreached : ref _attempts);
        if (after.State != OperationState.Succeeded)
            return;
        Interlocked.Increment(ref _succeeded);
        var second = now.ToUnixTimeSeconds();
        lock (_lock)
        {
            ref var slot = ref _seconds[second % _seconds.Length];
            slot = (second, slot.Second == second ? slot.Count + 1 : 1);
        }
    }
}
