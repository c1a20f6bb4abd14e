using System.Threading.Tasks.Sources;
using Malha.Resilience;

namespace Malha.Proxy.Admission;

/// <summary>An exchange's place in a service's queue. Part of the pooled exchange; waits for one decision at a time.</summary>
internal sealed class AttemptWait : AdmissionWaiter, IValueTaskSource<bool>
{
    /// <summary>An exchange that goes on may give up its permit at once and let the next one go on, and so forth: the stack is finite.</summary>
    private const int MaxDepth = 8;

    [ThreadStatic]
    private static int _depth;

    private ManualResetValueTaskSourceCore<bool> _core;
    private AdmissionController? _controller;

    /// <summary>What was decided, or that it is not yet.</summary>
    public AdmissionDecision Decision { get; private set; }

    /// <summary>Asks for a permit; when it is queued, <see cref="DecidedAsync"/> must be awaited.</summary>
    public AdmissionVerdict Ask(AdmissionController controller, int shareClass, Deadline deadline, Moment now)
    {
        // A queued waiter may be told by another thread before this one knows that it was queued.
        _core.Reset();
        Volatile.Write(ref _controller, controller);
        var decision = controller.TryAdmit(shareClass, this, deadline, now);
        if (decision.Verdict == AdmissionVerdict.Queued)
            return AdmissionVerdict.Queued;
        Volatile.Write(ref _controller, null);
        Decision = decision;
        return decision.Verdict;
    }

    public ValueTask<bool> DecidedAsync() => new(this, _core.Version);

    /// <summary>Gives the place up; nothing happens when nobody waits, or when the decision is on its way.</summary>
    public void Cancel(Moment now)
    {
        if (Volatile.Read(ref _controller) is { } controller && controller.Cancel(this, now))
            OnDecided(new AdmissionDecision { Verdict = AdmissionVerdict.Cancelled });
    }

    public bool GetResult(short token) => _core.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    // Told by whoever gave up a permit, mostly on a socket engine's thread: the exchange goes on right there.
    public override void OnDecided(in AdmissionDecision decision)
    {
        Decision = decision;
        Volatile.Write(ref _controller, null);
        if (_depth >= MaxDepth)
        {
            _core.RunContinuationsAsynchronously = true;
            _core.SetResult(true);
            return;
        }
        _core.RunContinuationsAsynchronously = false;
        _depth++;
        _core.SetResult(true);
        _depth--;
    }
}
