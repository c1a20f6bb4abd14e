namespace Malha.Delivery.Operations;

/// <summary>Tells those who wait that an operation has ended. Who waits looks at the store after it has said so: an end in between is not missed.</summary>
internal sealed class OperationEnds
{
    private readonly Lock _lock = new();
    private readonly Dictionary<OperationId, Waiting> _waiting = [];

    public void Ended(OperationId id)
    {
        Waiting? waiting;
        lock (_lock)
            _waiting.Remove(id, out waiting);
        waiting?.End.TrySetResult();
    }

    /// <summary>Waits for it, for so long at most.</summary>
    /// <param name="id">The operation.</param>
    /// <param name="hasEnded">Looks whether it has.</param>
    /// <param name="patience">How long.</param>
    /// <param name="time">Whose time.</param>
    public async Task WaitAsync(OperationId id, Func<ValueTask<bool>> hasEnded, TimeSpan patience, TimeProvider time)
    {
        Waiting? waiting;
        lock (_lock)
        {
            if (!_waiting.TryGetValue(id, out waiting))
                _waiting.Add(id, waiting = new Waiting());
            waiting.Count++;
        }
        try
        {
            if (!await hasEnded())
                await waiting.End.Task.WaitAsync(patience, time);
        }
        catch (TimeoutException)
        {
            // It goes on without this one.
        }
        lock (_lock)
        {
            if (--waiting.Count == 0 && _waiting.GetValueOrDefault(id) == waiting)
                _waiting.Remove(id);
        }
    }

    private sealed class Waiting
    {
        public int Count { get; set; }

        public TaskCompletionSource End { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
