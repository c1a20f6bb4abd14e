namespace Malha.Delivery.Log;

/// <summary>
/// Where acknowledgements leave, and where failure is declared: one lock for both, so that after a failure none leaves, whichever thread had it in hand. Each is
/// entered in the marker first.
/// </summary>
internal sealed class AckGate(WriteQueue queue, LogMeasures measures, TimeProvider time)
{
    private readonly object _gate = new();
    private AckMarker? _marker;
    private string? _failure;

    /// <summary>Why nothing is acknowledged; null: all is well.</summary>
    public string? Failure => Volatile.Read(ref _failure);

    public void Open(AckMarker marker)
    {
        lock (_gate)
        {
            _marker = marker;
            Volatile.Write(ref _failure, null);
        }
        queue.Refuse(null);
    }

    public void Fail(string why)
    {
        lock (_gate)
            Volatile.Write(ref _failure, _failure ?? why);
        queue.Refuse(LogOutcome.Failed);
        queue.Wake();
    }

    /// <summary>All that is in the log up to a sequence is written, or synced; these waited for it.</summary>
    public void Release(List<PendingWrite> writes, ulong sequence, bool synced)
    {
        lock (_gate)
        {
            if (_failure is null)
            {
                try
                {
                    if (synced)
                        _marker!.AcknowledgeSynced(sequence);
                    else
                        _marker!.AcknowledgeWritten(sequence);
                }
                catch (IOException refused)
                {
                    Volatile.Write(ref _failure, $"the marker cannot be written: {refused.Message}");
                }
            }
            foreach (var pending in writes)
                Complete(pending, _failure is null ? pending.Result with { Sequence = sequence } : new LogResult(LogOutcome.Failed, pending.Command.Id));
        }
        if (Failure is { } failure)
            Fail(failure);
    }

    /// <summary>Told at once: nothing of it is in the log.</summary>
    public void Complete(PendingWrite pending, LogResult result)
    {
        queue.Release(pending);
        measures.Delayed(time.GetElapsedTime(pending.QueuedAt));
        pending.Complete(result);
    }

    /// <summary>The marker's bytes to the disk.</summary>
    public void SyncMarker()
    {
        try
        {
            Volatile.Read(ref _marker)?.Sync();
        }
        catch (IOException refused)
        {
            Fail($"the marker cannot be synced: {refused.Message}");
        }
    }

    public void Close()
    {
        lock (_gate)
        {
            _marker?.Dispose();
            _marker = null;
        }
    }
}
