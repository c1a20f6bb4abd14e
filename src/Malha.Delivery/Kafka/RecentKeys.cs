using System.Buffers.Binary;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>Calls with an Idempotency-Key that were accepted so lately that the view may not have them: their repetitions are known here. Two generations, so that nothing is timed one by one.</summary>
internal sealed class RecentKeys(TimeProvider time)
{
    /// <summary>The view is behind by milliseconds, and by this only when Kafka is in trouble.</summary>
    private static readonly TimeSpan Generation = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private Dictionary<UInt128, (OperationId Id, Deduplication Deduplication)> _young = new();
    private Dictionary<UInt128, (OperationId Id, Deduplication Deduplication)> _old = new();
    private long _since = time.GetTimestamp();

    /// <summary>The operation that a call with this key made; null: none did, and now this one has.</summary>
    public (OperationId Id, Deduplication Deduplication)? Add(Deduplication deduplication, OperationId id)
    {
        var name = Name(deduplication);
        lock (_lock)
        {
            if (time.GetElapsedTime(_since) > Generation)
                (_old, _young, _since) = (_young, new(), time.GetTimestamp());
            if (_young.TryGetValue(name, out var found) || _old.TryGetValue(name, out found))
                return found;
            _young[name] = (id, deduplication);
            return null;
        }
    }

    public void Remove(Deduplication deduplication)
    {
        lock (_lock)
        {
            _young.Remove(Name(deduplication));
            _old.Remove(Name(deduplication));
        }
    }

    // Half of a SHA-256 tells callers apart well enough.
    private static UInt128 Name(Deduplication deduplication) => BinaryPrimitives.ReadUInt128BigEndian(deduplication.Caller.Span);
}
