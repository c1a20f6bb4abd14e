namespace Malha.Delivery.Log;

/// <summary>
/// What waits for the writer, bounded in number and bytes. A write counts until it is completed, not until it is taken, so that a disk that hangs fills the queue and
/// callers are told. Admission is decided under the same lock that failures are declared under: after a failure nothing is admitted, and at <c>none</c> admission is the
/// acknowledgement.
/// </summary>
internal sealed class WriteQueue(int maxCount, long maxBytes)
{
    private readonly object _gate = new();
    private readonly Queue<PendingWrite> _waiting = new();
    private LogOutcome? _refusal;
    private int _held;
    private long _heldBytes;
    private bool _woken;

    public int Held => Volatile.Read(ref _held);

    /// <summary>Null: admitted.</summary>
    public LogOutcome? TryAdd(PendingWrite pending)
    {
        lock (_gate)
        {
            if (_refusal is { } refusal)
                return refusal;
            if (_held >= maxCount || _heldBytes + pending.Bytes > maxBytes)
                return LogOutcome.Full;
            _held++;
            _heldBytes += pending.Bytes;
            _waiting.Enqueue(pending);
            if (_waiting.Count == 1)
                Monitor.Pulse(_gate);
            return null;
        }
    }

    /// <summary>From now on everything is refused with this; null admits again.</summary>
    public void Refuse(LogOutcome? outcome)
    {
        lock (_gate)
            _refusal = outcome;
    }

    /// <summary>The next group, in order. Waits so long for its first member, or until <see cref="Wake"/>.</summary>
    public void Take(List<PendingWrite> group, int count, long bytes, TimeSpan patience)
    {
        lock (_gate)
        {
            if (_waiting.Count == 0 && !_woken)
                Monitor.Wait(_gate, patience);
            _woken = false;
            var taken = 0L;
            while (group.Count < count && _waiting.TryPeek(out var next) && (taken == 0 || taken + next.Bytes <= bytes))
            {
                taken += next.Bytes;
                group.Add(_waiting.Dequeue());
            }
        }
    }

    /// <summary>All that waits.</summary>
    public void TakeAll(List<PendingWrite> all)
    {
        lock (_gate)
        {
            all.AddRange(_waiting);
            _waiting.Clear();
        }
    }

    public void Wake()
    {
        lock (_gate)
        {
            _woken = true;
            Monitor.Pulse(_gate);
        }
    }

    public void Release(PendingWrite pending)
    {
        lock (_gate)
        {
            _held--;
            _heldBytes -= pending.Bytes;
        }
    }
}
