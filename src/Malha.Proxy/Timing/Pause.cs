using System.Threading.Tasks.Sources;

namespace Malha.Proxy.Timing;

/// <summary>A wait for a moment on the wheel that can be cut short: a back-off. Part of the pooled exchange.</summary>
internal sealed class Pause : TimerEntry, IValueTaskSource<bool>
{
    // What follows is an attempt: not on the wheel's thread, nor on that of whoever cut it.
    private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };
    private int _waiting;

    /// <summary>Ends with true when the time has passed, with false when it was cut short.</summary>
    public ValueTask<bool> ForAsync(TimerWheel wheel, TimeSpan length, Exchange exchange)
    {
        _core.Reset();
        Volatile.Write(ref _waiting, 1);
        Arm(wheel, wheel.After(length));
        // It may have been cancelled before there was anything to cut.
        if (exchange.Cancelled != CancelReason.None)
            Cut();
        return new ValueTask<bool>(this, _core.Version);
    }

    public void Cut()
    {
        if (Interlocked.Exchange(ref _waiting, 0) == 0)
            return;
        Disarm();
        _core.SetResult(false);
    }

    public bool GetResult(short token) => _core.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    protected internal override void OnDeadline()
    {
        if (TakeExpiry() && Interlocked.Exchange(ref _waiting, 0) == 1)
            _core.SetResult(true);
    }
}
