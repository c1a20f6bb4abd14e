using Malha.Resilience;

namespace Malha.Lab.Simulation;

/// <summary>What a service answers.</summary>
internal delegate void Answered(OutcomeKind outcome);

/// <summary>
/// A service as bad as many are: so many workers, an unbounded first-in-first-out queue, and no idea of deadlines, so that it works off what was asked even
/// when the asker has gone.
/// </summary>
internal sealed class SimulatedService(VirtualTime time, int workers, Func<TimeSpan> work)
{
    private readonly Queue<(TimeSpan Work, Answered Answer)> _queue = new();
    private int _busy;
    private Moment _stallFrom = Moment.Never;
    private Moment _stallTo;

    public int Queued => _queue.Count;

    public int Busy => _busy;

    /// <summary>Calls that it has begun to work on, in all.</summary>
    public long Started { get; private set; }

    public long Received { get; private set; }

    /// <summary>How many workers there are now; by default those that it was built with.</summary>
    public Func<int>? Workers { get; set; }

    /// <summary>How much longer work takes now.</summary>
    public Func<double> Slowness { get; set; } = () => 1;

    /// <summary>What an answer says.</summary>
    public Func<OutcomeKind> Outcome { get; set; } = () => OutcomeKind.Success;

    /// <summary>Nothing is finished for a while; what was under way goes on afterwards.</summary>
    public void Stall(double fromSecond, double seconds) => time.AtSecond(fromSecond, () =>
    {
        _stallFrom = time.Now;
        _stallTo = time.Now + TimeSpan.FromSeconds(seconds);
    });

    /// <summary>How much slower work begun within a stretch of time is.</summary>
    public void Slow(double fromSecond, double seconds, double factor) =>
        Slowness = () => time.Seconds >= fromSecond && time.Seconds < fromSecond + seconds ? factor : 1;

    public void Call(Answered answer) => Call(work(), answer);

    public void Call(TimeSpan takes, Answered answer)
    {
        Received++;
        _queue.Enqueue((takes, answer));
        Work();
    }

    private void Work()
    {
        while (_queue.Count > 0 && _busy < (Workers?.Invoke() ?? workers))
        {
            var (takes, answer) = _queue.Dequeue();
            _busy++;
            Started++;
            time.After(takes * Slowness(), () => Finish(answer));
        }
    }

    private void Finish(Answered answer)
    {
        if (time.Now >= _stallFrom && time.Now < _stallTo)
        {
            time.Schedule(_stallTo + (time.Now - _stallFrom), () => Finish(answer));
            return;
        }

        _busy--;
        answer(Outcome());
        Work();
    }
}
