using System.Threading.Tasks.Sources;

namespace Malha.Resilience;

/// <summary>An <see cref="AdmissionController"/> for calls within a program: lets its waiters be awaited, and time pass for them.</summary>
internal sealed class AdmissionGate
{
    private readonly Clock _clock;
    // Armed while somebody waits, and collected with the gate: nothing has to be disposed.
    private readonly ITimer _timer;
    private int _isArmed;

    public AdmissionGate(AdmissionOptions options, Clock clock)
    {
        _clock = clock;
        Controller = new AdmissionController(options);
        _timer = clock.Source.CreateTimer(static gate => ((AdmissionGate)gate!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public AdmissionController Controller { get; }

    /// <summary>Without waiting; allocates nothing.</summary>
    public AdmissionDecision TryAdmit(Deadline deadline, Moment now) => Controller.TryAdmit(0, waiter: null, deadline, now);

    /// <summary>Waits in the queue for as long as the options say.</summary>
    public async ValueTask<AdmissionDecision> AdmitAsync(Deadline deadline, CancellationToken cancellation)
    {
        var waiter = new Waiter();
        var decision = Controller.TryAdmit(0, waiter, deadline, _clock.Now);
        if (decision.Verdict != AdmissionVerdict.Queued)
            return decision;

        Arm();
        await using var registration = cancellation.UnsafeRegister(static state => ((Departure)state!).Leave(), new Departure(this, waiter)).ConfigureAwait(false);
        return await waiter.DecidedAsync().ConfigureAwait(false);
    }

    private void OnTimer()
    {
        Volatile.Write(ref _isArmed, 0);
        Controller.Advance(_clock.Now);
        Arm();
    }

    // One timer for all who wait; whoever joins while it runs is looked at when it ends, which is soon.
    private void Arm()
    {
        var now = _clock.Now;
        var next = Controller.NextEvent(now);
        if (next == Moment.Never || Interlocked.Exchange(ref _isArmed, 1) == 1)
            return;
        var wait = next - now;
        _timer.Change(wait > TimeSpan.FromMilliseconds(1) ? wait : TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
    }

    private sealed record Departure(AdmissionGate Gate, Waiter Waiter)
    {
        public void Leave()
        {
            if (Gate.Controller.Cancel(Waiter, Gate._clock.Now))
                Waiter.OnDecided(new AdmissionDecision { Verdict = AdmissionVerdict.Cancelled });
        }
    }

    private sealed class Waiter : AdmissionWaiter, IValueTaskSource<AdmissionDecision>
    {
        // Told by whoever gives up a seat: that one has its own way to go.
        private ManualResetValueTaskSourceCore<AdmissionDecision> _core = new() { RunContinuationsAsynchronously = true };

        public ValueTask<AdmissionDecision> DecidedAsync() => new(this, _core.Version);

        public override void OnDecided(in AdmissionDecision decision) => _core.SetResult(decision);

        public AdmissionDecision GetResult(short token) => _core.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
