namespace Malha.Bench.Overload.Service;

/// <summary>One request at the service. Times are nanoseconds of <see cref="PreciseTime"/>.</summary>
/// <param name="serviceMs">Its own service time; null: the service's.</param>
/// <param name="asker">Says whether the asker has gone.</param>
internal sealed class Work(double? serviceMs, CancellationToken asker)
{
    // The answer is written on another thread, so that a slow write does not delay the workers.
    private readonly TaskCompletionSource<bool> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public double? ServiceMs { get; } = serviceMs;

    public long ArrivedAt { get; set; }

    public long DoneAt { get; set; }

    public bool AskerHasGone => asker.IsCancellationRequested;

    /// <summary>True when it was worked on; false when its asker has gone or the service was reset before.</summary>
    public Task<bool> Done => _done.Task;

    public void End(bool worked) => _done.TrySetResult(worked);
}
