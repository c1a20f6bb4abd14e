using System.Threading.Tasks.Sources;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Log;

/// <summary>
/// A write on its way and the caller who waits for it. Queued → taken by the writer → completed, exactly once; a caller who gives up completes it too, and what the writer
/// then finds is passed over (queued) or ignored (taken).
/// </summary>
internal sealed class PendingWrite : IValueTaskSource<LogResult>
{
    private const int Queued = 0;
    private const int Taken = 1;
    private const int Completed = 2;

    // The caller goes on elsewhere: it must not hold up the writer or the syncer.
    private ManualResetValueTaskSourceCore<LogResult> _core = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _cancellation;
    private int _state;

    public PendingWrite(LogCommand command, AckLevel acks, long queuedAt)
    {
        (Command, Acks, QueuedAt, Result) = (command, acks, queuedAt, new LogResult(LogOutcome.Failed, command.Id));
        Bytes = command.Bytes;
    }

    public LogCommand Command { get; }

    public AckLevel Acks { get; }

    public long Bytes { get; }

    /// <summary>The time provider's timestamp.</summary>
    public long QueuedAt { get; }

    /// <summary>What it will be told when it is as durable as it asked for. The writer's and the syncer's alone.</summary>
    public LogResult Result { get; set; }

    public ValueTask<LogResult> Wait(CancellationToken cancellation)
    {
        if (cancellation.CanBeCanceled)
            _cancellation = cancellation.UnsafeRegister(static pending => ((PendingWrite)pending!).GiveUp(), this);
        return new ValueTask<LogResult>(this, _core.Version);
    }

    /// <summary>False: its caller gave up, and it must not be written.</summary>
    public bool TryTake() => Interlocked.CompareExchange(ref _state, Taken, Queued) == Queued;

    public void Complete(LogResult result)
    {
        if (Interlocked.Exchange(ref _state, Completed) != Completed)
            _core.SetResult(result);
    }

    private void GiveUp()
    {
        if (Interlocked.CompareExchange(ref _state, Completed, Queued) == Queued)
            _core.SetResult(new LogResult(LogOutcome.Withdrawn, Command.Id));
        else if (Interlocked.CompareExchange(ref _state, Completed, Taken) == Taken)
            _core.SetResult(new LogResult(LogOutcome.Abandoned, Command.Id));
    }

    LogResult IValueTaskSource<LogResult>.GetResult(short token)
    {
        _cancellation.Dispose();
        return _core.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<LogResult>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<LogResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
