using System.Runtime.InteropServices;

namespace Malha.Resilience;

/// <summary>
/// GCRA words by key: who calls, mixed with which limit. A key takes 16 bytes in an open-addressed table, in shards with a short lock each.
/// A word whose time has passed is a bucket that is full again and says the same as no word at all, so a newcomer takes its place: nothing is swept by
/// a timer. A shard grows only when its keys are really in use, to the limit. Beyond it nobody is forgotten: newcomers of the same limit then share one
/// word in each shard until there is room, so that a flood of new keys wins neither a fresh bucket for an old key nor more than one bucket a shard for itself.
/// </summary>
public sealed class RateLimitStore
{
    private const int ShardCount = 64;
    private const int FirstSlots = 64;

    /// <summary>How often a full shard is searched for words whose time has passed: all shards together then cost half a percent of a core.</summary>
    private static readonly long SweepEvery = Gcra.Nanoseconds(new Moment(TimeSpan.FromMilliseconds(100).Ticks));

    private readonly Shard[] _shards = new Shard[ShardCount];
    private readonly int _slotsAtMost;

    /// <param name="keysAtMost">How many keys are told apart at a time.</param>
    public RateLimitStore(int keysAtMost = Defaults.RateLimitKeysAtMost)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(keysAtMost);
        // Shards fill unevenly, and a table beyond three quarters gets slow: room for 4/3 of the even share, as a power of two.
        _slotsAtMost = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(FirstSlots, keysAtMost / ShardCount * 4L / 3));
        for (var i = 0; i < ShardCount; i++)
            _shards[i] = new Shard(FirstSlots);
    }

    /// <summary>Bytes that the tables take now.</summary>
    public long MemoryBytes => _shards.Sum(shard => (long)Volatile.Read(ref shard.Slots).Length * 16);

    /// <summary>Slots in use now, those whose bucket is full again included.</summary>
    public int Count => _shards.Sum(shard => Volatile.Read(ref shard.Used));

    /// <summary>Decisions about keys that found no room.</summary>
    public long Overflowed => _shards.Sum(shard => Volatile.Read(ref shard.Overflowed));

    /// <summary>Takes <paramref name="cost"/> from the bucket of a key (who calls and for which limit, hashed: <see cref="KeyHash"/>) if it is there.</summary>
    public RateLimitDecision TryTake(ulong key, Gcra limit, Moment now, int cost = 1)
    {
        ArgumentNullException.ThrowIfNull(limit);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(cost);
        key = key == 0 ? 1 : key;
        var shard = _shards[key % ShardCount];
        lock (shard)
        {
            var index = Place_NeedsLock(shard, key, Gcra.Nanoseconds(now));
            ref var word = ref (index >= 0 ? ref shard.Slots[index].Word : ref Shared_NeedsLock(shard, limit));
            var decision = limit.Judge(word, now, cost, out var next);
            word = next;
            return decision;
        }
    }

    /// <summary>What a key has left, with nothing taken.</summary>
    public RateLimitDecision Peek(ulong key, Gcra limit, Moment now)
    {
        ArgumentNullException.ThrowIfNull(limit);
        key = key == 0 ? 1 : key;
        var shard = _shards[key % ShardCount];
        lock (shard)
        {
            var index = Find_NeedsLock(shard, key);
            return limit.Peek(index < 0 ? 0 : shard.Slots[index].Word, now);
        }
    }

    /// <summary>Puts back what another limit's refusal made useless.</summary>
    public void GiveBack(ulong key, Gcra limit, int cost = 1)
    {
        ArgumentNullException.ThrowIfNull(limit);
        key = key == 0 ? 1 : key;
        var shard = _shards[key % ShardCount];
        lock (shard)
        {
            var index = Find_NeedsLock(shard, key);
            if (index >= 0)
                shard.Slots[index].Word -= cost * limit.Emission;
            else if (shard.Shared is not null)
                Shared_NeedsLock(shard, limit) -= cost * limit.Emission;
        }
    }

    private static int Home(Slot[] slots, ulong key) => (int)((key / ShardCount) & (ulong)(slots.Length - 1));

    /// <summary>The key's slot; -1 when it has none.</summary>
    private static int Find_NeedsLock(Shard shard, ulong key)
    {
        var slots = shard.Slots;
        for (var i = Home(slots, key); slots[i].Key != 0; i = (i + 1) & (slots.Length - 1))
        {
            if (slots[i].Key == key)
                return i;
        }
        return -1;
    }

    /// <summary>The key's slot, made if need be; a new slot's word is 0, which is a full bucket. -1 when there is no room.</summary>
    private int Place_NeedsLock(Shard shard, ulong key, long time)
    {
        while (true)
        {
            var slots = shard.Slots;
            var mask = slots.Length - 1;
            var reusable = -1;
            var i = Home(slots, key);
            for (; slots[i].Key != 0; i = (i + 1) & mask)
            {
                if (slots[i].Key == key)
                    return i;
                if (reusable < 0 && slots[i].Word <= time)
                    reusable = i;
            }

            if (reusable >= 0)
            {
                slots[reusable] = new Slot { Key = key };
                return reusable;
            }

            if (shard.Used < slots.Length / 4 * 3)
            {
                slots[i] = new Slot { Key = key };
                shard.Used++;
                return i;
            }

            if (slots.Length == _slotsAtMost && time < shard.SweepAt)
            {
                shard.Overflowed++;
                return -1;
            }
            Rebuild_NeedsLock(shard, time);
        }
    }

    /// <summary>The word that newcomers without room share. There are as many as the configuration has limits.</summary>
    private static ref long Shared_NeedsLock(Shard shard, Gcra limit) =>
        ref CollectionsMarshal.GetValueRefOrAddDefault(shard.Shared ??= [], (limit.Emission, limit.Tolerance), out _);

    /// <summary>Throws out what is full again, and doubles the table if that is less than half and it may grow.</summary>
    private void Rebuild_NeedsLock(Shard shard, long time)
    {
        var old = shard.Slots;
        var live = 0;
        foreach (ref readonly var slot in old.AsSpan())
            live += slot.Key != 0 && slot.Word > time ? 1 : 0;

        shard.SweepAt = time + SweepEvery;
        if (old.Length == _slotsAtMost && live == shard.Used)
            return;
        var slots = new Slot[live < old.Length / 2 || old.Length == _slotsAtMost ? old.Length : old.Length * 2];
        foreach (ref readonly var slot in old.AsSpan())
        {
            if (slot.Key == 0 || slot.Word <= time)
                continue;
            var i = Home(slots, slot.Key);
            while (slots[i].Key != 0)
                i = (i + 1) & (slots.Length - 1);
            slots[i] = slot;
        }

        Volatile.Write(ref shard.Slots, slots);
        shard.Used = live;
    }

    private struct Slot
    {
        public ulong Key;
        public long Word;
    }

    private sealed class Shard(int slots)
    {
        public Slot[] Slots = new Slot[slots];
        public int Used;
        public long SweepAt;
        public long Overflowed;
        public Dictionary<(long Emission, long Tolerance), long>? Shared;
    }
}
