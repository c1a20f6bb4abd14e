using System.Collections.Concurrent;

namespace Malha.Delivery.Log;

/// <summary>What a batch changes in a lane.</summary>
/// <param name="Lane">Which.</param>
/// <param name="Depth">By how much the number of those that wait changes.</param>
/// <param name="Due">When something of it falls due that did not before; null: nothing does.</param>
/// <param name="Key">The key that the change in depth is about; empty: none.</param>
internal readonly record struct LaneChange(string Lane, int Depth, DateTimeOffset? Due, string Key);

/// <summary>How many operations wait in each lane: counted once when the store is opened, and from then on by what is written.</summary>
internal sealed class LaneDepths
{
    private readonly ConcurrentDictionary<string, int> _depths = new(StringComparer.Ordinal);
    // How many wait whose key falls here: nobody waits of a key whose count is 0, and that is the question that is asked with every acceptance.
    private readonly int[] _keys = new int[1 << 16];
    // Nothing of a lane waits before this position, and nothing ever will.
    private readonly ConcurrentDictionary<string, long> _firsts = new(StringComparer.Ordinal);

    /// <summary>Called with a lane and when something of it falls due that did not before; on the writer's thread, which it must not hold up.</summary>
    public Action<string, DateTimeOffset>? Moved { get; set; }

    public int this[string lane] => _depths.GetValueOrDefault(lane);

    public void Count(Store store)
    {
        _depths.Clear();
        Array.Clear(_keys);
        store.Each(Family.Keys, key => _keys[Bucket(key[..^sizeof(long)])]++);
        foreach (var lane in LogReads.Lanes(store, Family.Lanes))
            _depths[lane] = store.Count(Family.Lanes, StoreKeys.LaneStart(lane), int.MaxValue);
    }

    /// <summary>What a batch has changed, once it is written.</summary>
    public void Apply(IReadOnlyList<LaneChange> changes)
    {
        foreach (var change in changes)
        {
            _depths.AddOrUpdate(change.Lane, static (_, change) => change, static (_, depth, change) => depth + change, change.Depth);
            if (change.Key.Length > 0)
                _keys[Bucket(StoreKeys.KeyStart(change.Lane, change.Key))] += change.Depth;
        }
        if (Moved is not { } moved)
            return;
        foreach (var change in changes)
        {
            if (change.Due is { } due)
                moved(change.Lane, due);
        }
    }

    /// <summary>Whether anybody of a key may wait. The writer's thread only.</summary>
    public bool MayWait(byte[] keyStart) => _keys[Bucket(keyStart)] > 0;

    private int Bucket(ReadOnlySpan<byte> keyStart)
    {
        var hash = new HashCode();
        hash.AddBytes(keyStart);
        return hash.ToHashCode() & (_keys.Length - 1);
    }

    /// <summary>How many wait in a lane before a position, up to a bound.</summary>
    public int Before(Store store, string lane, long position, int most)
    {
        var prefix = StoreKeys.LaneStart(lane);
        var from = _firsts.GetValueOrDefault(lane);
        if (store.Scan(Family.Lanes, StoreKeys.Lane(lane, from), prefix, 1) is [var (first, _)])
            _firsts[lane] = from = StoreKeys.Position(first);
        return from >= position ? 0 : store.Count(Family.Lanes, prefix, StoreKeys.Lane(lane, from), StoreKeys.Lane(lane, position), most);
    }
}
