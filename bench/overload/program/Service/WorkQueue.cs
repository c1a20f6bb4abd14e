namespace Malha.Bench.Overload.Service;

/// <summary>
/// Workers with one unbounded first-in-first-out queue before them. A pure state machine: times are nanoseconds that the caller brings, and
/// who calls late loses no capacity, since the next piece of work starts at the moment at which the worker became free.
/// </summary>
internal sealed class WorkQueue(WorkSettings settings)
{
    private readonly Random _random = new(settings.Seed);
    private readonly Queue<Work> _waiting = new();
    private readonly PriorityQueue<Work, long> _running = new();
    private long _stalledUntil = long.MinValue;
    private long _slowUntil = long.MinValue;
    private double _slowFactor = 1;

    public int Waiting => _waiting.Count;

    public int Running => _running.Count;

    /// <summary>The earliest moment at which something is done; null when nobody works.</summary>
    public long? NextDone => _running.TryPeek(out _, out var at) ? at : null;

    public void Enqueue(Work work, long now)
    {
        work.ArrivedAt = now;
        _waiting.Enqueue(work);
        StartWhatCan(now);
    }

    /// <summary>Takes what is done by now, in the order in which it was done.</summary>
    public bool TryTakeDone(long now, out Work work)
    {
        if (!_running.TryPeek(out work!, out var at) || at > now)
            return false;
        _running.Dequeue();
        work.DoneAt = at;
        StartWhatCan(at);
        return true;
    }

    /// <summary>Everybody stops for so long, those who are at work too.</summary>
    public void Stall(long now, long length)
    {
        var running = _running.UnorderedItems.ToArray();
        _running.Clear();
        foreach (var (work, at) in running)
            _running.Enqueue(work, at + length);
        _stalledUntil = now + length;
    }

    /// <summary>What starts before <paramref name="until"/> takes longer by the factor.</summary>
    public void Slow(double factor, long until)
    {
        _slowFactor = factor;
        _slowUntil = until;
    }

    public IReadOnlyList<Work> Clear()
    {
        Work[] left = [.. _waiting, .. _running.UnorderedItems.Select(item => item.Element)];
        _waiting.Clear();
        _running.Clear();
        return left;
    }

    private int WorkersLeft() => settings.LoseWorkerPerQueued == 0
        ? settings.Workers
        : Math.Max(1, settings.Workers - _waiting.Count / settings.LoseWorkerPerQueued);

    private void StartWhatCan(long freeSince)
    {
        while (_running.Count < WorkersLeft() && _waiting.TryDequeue(out var work))
        {
            // A late caller may have queued it after the worker became free.
            var start = Math.Max(Math.Max(freeSince, work.ArrivedAt), _stalledUntil);
            _running.Enqueue(work, start + Length(work, start));
        }
    }

    private long Length(Work work, long start)
    {
        var milliseconds = work.ServiceMs ?? settings.ServiceMs;
        if (settings.Exponential)
            milliseconds *= -Math.Log(1 - _random.NextDouble());
        if (start < _slowUntil)
            milliseconds *= _slowFactor;
        return (long)(milliseconds * PreciseTime.Millisecond);
    }
}
