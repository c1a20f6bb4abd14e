using System.Collections.Concurrent;

namespace Malha.Delivery.Log;

/// <summary>How many operations wait in each lane: counted once when the store is opened, and from then on by what is written.</summary>
internal sealed class LaneDepths
{
    private readonly ConcurrentDictionary<string, int> _depths = new(StringComparer.Ordinal);

    /// <summary>Called with a lane in which something may be due that was not; on the writer's thread, which it must not hold up.</summary>
    public Action<string>? Moved { get; set; }

    public int this[string lane] => _depths.GetValueOrDefault(lane);

    public void Count(Store store)
    {
        _depths.Clear();
        foreach (var lane in LogReads.Lanes(store))
            _depths[lane] = store.Count(Family.Lanes, StoreKeys.LaneStart(lane), int.MaxValue);
    }

    /// <summary>What a batch has changed, once it is written.</summary>
    public void Apply(IReadOnlyList<(string Lane, int Change)> changes)
    {
        foreach (var (lane, change) in changes)
            _depths.AddOrUpdate(lane, static (_, change) => change, static (_, depth, change) => depth + change, change);
        string? told = null;
        foreach (var (lane, _) in changes)
        {
            // Most batches are about one lane.
            if (lane != told)
                Moved?.Invoke(lane);
            told = lane;
        }
    }
}
