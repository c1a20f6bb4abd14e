using System.Collections.Concurrent;

namespace Malha.Resilience;

/// <summary>Cancellation sources for attempts, used again and again: one is thrown away only when it was cancelled.</summary>
internal sealed class TimeoutSources(TimeProvider time)
{
    private const int KeptAtMost = 256;
    private readonly ConcurrentQueue<CancellationTokenSource> _free = new();
    private CancellationTokenSource? _last;

    public CancellationTokenSource Rent(TimeSpan timeout)
    {
        var source = Interlocked.Exchange(ref _last, null);
        if (source is null && !_free.TryDequeue(out source))
            source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        source.CancelAfter(timeout);
        return source;
    }

    /// <summary>Disarms a source whose token somebody may still look at: nobody else gets it.</summary>
    public static void Retire(CancellationTokenSource source)
    {
        if (!source.IsCancellationRequested)
            source.CancelAfter(Timeout.InfiniteTimeSpan);
    }

    public void Return(CancellationTokenSource source)
    {
        if (!source.TryReset())
        {
            source.Dispose();
            return;
        }

        source = Interlocked.Exchange(ref _last, source)!;
        if (source is null)
            return;
        if (_free.Count < KeptAtMost)
            _free.Enqueue(source);
        else
            source.Dispose();
    }
}
