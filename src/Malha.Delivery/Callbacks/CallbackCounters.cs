using Malha.Delivery.Operations;

namespace Malha.Delivery.Callbacks;

/// <summary>What is counted of callbacks since the gateway's start.</summary>
internal sealed class CallbackCounters
{
    private long _delivered;
    private long _failed;
    private long _gone;
    private long _givenUp;

    public long Delivered => Interlocked.Read(ref _delivered);

    /// <summary>Attempts that are made again.</summary>
    public long Failed => Interlocked.Read(ref _failed);

    public long Gone => Interlocked.Read(ref _gone);

    public long GivenUp => Interlocked.Read(ref _givenUp);

    public void Count(CallbackState state)
    {
        switch (state)
        {
            case CallbackState.Delivered: Interlocked.Increment(ref _delivered); break;
            case CallbackState.Gone: Interlocked.Increment(ref _gone); break;
            case CallbackState.GivenUp: Interlocked.Increment(ref _givenUp); break;
            default: Interlocked.Increment(ref _failed); break;
        }
    }
}
