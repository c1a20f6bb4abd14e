using Malha.Bench.Overload.Figures;

namespace Malha.Bench.Overload.Service;

/// <summary>The queue in real time: a thread of its own ends each piece of work at its moment, and counts for whom it was.</summary>
internal sealed class Workshop
{
    // Work that arrives during a sleep is seen this late at most, and never done late for it: none takes less.
    private const long LongestSleep = 200 * PreciseTime.Microsecond;
    private const int LatenessKept = 1 << 16;

    private readonly object _lock = new();
    private readonly List<Work> _done = [];
    private readonly long[] _lateness = new long[LatenessKept];
    private WorkSettings _settings = new();
    private WorkQueue _queue = new(new WorkSettings());
    private long _arrived;
    private long _served;
    private long _servedForNobody;
    private int _mostWaiting;

    public Workshop()
    {
        new Thread(Work) { IsBackground = true, Name = "work" }.Start();
    }

    public void Add(Work work)
    {
        lock (_lock)
        {
            _arrived++;
            _queue.Enqueue(work, PreciseTime.Now);
            _mostWaiting = Math.Max(_mostWaiting, _queue.Waiting);
            Monitor.Pulse(_lock);
        }
    }

    public void Stall(double seconds)
    {
        lock (_lock)
            _queue.Stall(PreciseTime.Now, (long)(seconds * PreciseTime.Second));
    }

    public void Slow(double factor, double seconds)
    {
        lock (_lock)
            _queue.Slow(factor, PreciseTime.Now + (long)(seconds * PreciseTime.Second));
    }

    /// <summary>Begins anew: an empty queue, no fault, all counts 0.</summary>
    public void Reset(WorkSettings settings)
    {
        IReadOnlyList<Work> left;
        lock (_lock)
        {
            left = _queue.Clear();
            _settings = settings;
            _queue = new WorkQueue(settings);
            _arrived = _served = _servedForNobody = _mostWaiting = 0;
        }
        foreach (var work in left)
            work.End(worked: false);
    }

    public ServiceStats Stats()
    {
        lock (_lock)
        {
            var late = _lateness.AsSpan(0, (int)Math.Min(_served, LatenessKept)).ToArray();
            var p99 = Percentile.Of(late, 0.99);
            return new ServiceStats(_arrived, _served, _servedForNobody, _queue.Waiting, _queue.Running, _mostWaiting, (p99 ?? 0) / PreciseTime.Millisecond);
        }
    }

    private void Work()
    {
        while (true)
        {
            long? next;
            lock (_lock)
            {
                var now = PreciseTime.Now;
                while (_queue.TryTakeDone(now, out var work))
                    Count(work, now);
                next = _queue.NextDone;
                if (next is null && _done.Count == 0)
                    Monitor.Wait(_lock);
            }
            foreach (var work in _done)
                work.End(worked: true);
            _done.Clear();

            if (next is { } at)
                PreciseTime.Sleep(Math.Min(LongestSleep, at - PreciseTime.Now));
        }
    }

    private void Count(Work work, long now)
    {
        _done.Add(work);
        _lateness[_served % LatenessKept] = now - work.DoneAt;
        _served++;
        if (work.AskerHasGone || work.DoneAt - work.ArrivedAt > _settings.DeadlineMs * PreciseTime.Millisecond)
            _servedForNobody++;
    }
}

/// <summary>What a service has done since it was reset.</summary>
/// <param name="Arrived">Requests that reached it.</param>
/// <param name="Served">Requests that a worker has worked off.</param>
/// <param name="ServedForNobody">Those of them whose asker had gone, or had waited longer than the deadline.</param>
/// <param name="Waiting">In the queue now.</param>
/// <param name="Running">At work now.</param>
/// <param name="MostWaiting">The longest that the queue was.</param>
/// <param name="LatenessP99Ms">How much later than it should the service ended its work: its own accuracy.</param>
internal sealed record ServiceStats(long Arrived, long Served, long ServedForNobody, int Waiting, int Running, int MostWaiting, double LatenessP99Ms);
