using Malha.Resilience;

namespace Malha.Lab.Simulation;

/// <summary>
/// A discrete-event clock: time jumps from one scheduled event to the next, and events of one moment run in the order in which they were scheduled, so that a
/// seed alone decides a run.
/// </summary>
internal sealed class VirtualTime
{
    private readonly PriorityQueue<Event, (long At, long Order)> _events = new();
    private long _order;

    public Moment Now { get; private set; }

    public double Seconds => Now.Ticks / (double)TimeSpan.TicksPerSecond;

    public Event After(TimeSpan delay, Action action) => Schedule(Now + delay, action);

    public Event Schedule(Moment at, Action action)
    {
        var scheduled = new Event(action);
        _events.Enqueue(scheduled, (Math.Max(at.Ticks, Now.Ticks), _order++));
        return scheduled;
    }

    public void AtSecond(double second, Action action) => Schedule(new Moment((long)(second * TimeSpan.TicksPerSecond)), action);

    /// <summary>Runs everything up to the given second.</summary>
    public void RunUntil(double second)
    {
        var end = (long)(second * TimeSpan.TicksPerSecond);
        while (_events.TryPeek(out var next, out var key) && key.At <= end)
        {
            _events.Dequeue();
            Now = new Moment(key.At);
            next.Run();
        }

        Now = new Moment(end);
    }

    /// <summary>Runs until nothing is scheduled any more.</summary>
    public void RunToEnd()
    {
        while (_events.TryDequeue(out var next, out var key))
        {
            Now = new Moment(key.At);
            next.Run();
        }
    }

    /// <summary>Something that will happen, unless it is cancelled.</summary>
    internal sealed class Event(Action action)
    {
        private Action? _action = action;

        public void Cancel() => _action = null;

        public void Run() => _action?.Invoke();
    }
}
