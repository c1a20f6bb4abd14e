namespace Malha.Resilience;

/// <summary>
/// GCRA words by key: who calls, mixed with which limit. A key takes 16 bytes in an open-addressed table, in shards with a short lock each.
/// A word whose time has passed is a bucket that is full again and says the same as no word at all, so a newcomer takes its place: nothing is swept by
/// a timer. A shard grows only when its keys are really in use, to the limit; beyond it the newcomer displaces the neighbour that is nearest to being
/// full again, which costs that key what it had used up and no one else anything.
/// </summary>
public sealed class RateLimitStore
{
    private const int ShardCount = 64;
    private const int FirstSlots = 64;
    private const int Neighbourhood = 16;

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

    /// <summary>Takes <paramref name="cost"/> from the bucket of a key (who calls and for which limit, hashed: <see cref="KeyHash"/>) if it is there.</summary>
    public RateLimitDecision TryTake(ulong key, Gcra limit, Moment now, int cost = 1)
    {
        ArgumentNullException.ThrowIfNull(limit);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(cost);
        key = key == 0 ? 1 : key;
        var shard = _shards[key % ShardCount];
        lock (shard)
        {
            var index = Find_NeedsLock(shard, key, Gcra.Nanoseconds(now));
            ref var slot = ref shard.Slots[index];
            var decision = limit.Judge(slot.Word, now, cost, out var next);
            if (decision.Allowed)
                slot.Word = next;
            return decision;
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
            var slots = shard.Slots;
            for (var i = Home(slots, key); slots[i].Key != 0; i = (i + 1) & (slots.Length - 1))
            {
                if (slots[i].Key == key)
                {
                    slots[i].Word -= cost * limit.Emission;
                    return;
                }
            }
        }
    }

    private static int Home(Slot[] slots, ulong key) => (int)((key / ShardCount) & (ulong)(slots.Length - 1));

    /// <summary>The key's slot, made if need be; a new slot's word is 0, which is a full bucket.</summary>
    private int Find_NeedsLock(Shard shard, ulong key, long time)
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

            if (slots.Length < _slotsAtMost)
                Rebuild_NeedsLock(shard, time);
            else
                Evict_NeedsLock(shard, key);
        }
    }

    /// <summary>Throws out what is full again, and doubles the table if that is less than half.</summary>
    private static void Rebuild_NeedsLock(Shard shard, long time)
    {
        var old = shard.Slots;
        var live = 0;
        foreach (ref readonly var slot in old.AsSpan())
            live += slot.Key != 0 && slot.Word > time ? 1 : 0;

        var slots = new Slot[live < old.Length / 2 ? old.Length : old.Length * 2];
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

    /// <summary>
    /// The least loss when no more slots may be had: of the next keys after the newcomer's home the one that would be full again first. The gap is closed by
    /// moving back whoever had been pushed past it, so that every key stays reachable.
    /// </summary>
    private static void Evict_NeedsLock(Shard shard, ulong key)
    {
        var slots = shard.Slots;
        var mask = slots.Length - 1;
        var gap = -1;
        for (var (i, seen) = (Home(slots, key), 0); seen < Neighbourhood; i = (i + 1) & mask)
        {
            if (slots[i].Key == 0)
                continue;
            seen++;
            if (gap < 0 || slots[i].Word < slots[gap].Word)
                gap = i;
        }

        for (var i = (gap + 1) & mask; slots[i].Key != 0; i = (i + 1) & mask)
        {
            // The key at i may fill the gap if its home does not lie between the two.
            var home = Home(slots, slots[i].Key);
            if (((i - home) & mask) < ((i - gap) & mask))
                continue;
            slots[gap] = slots[i];
            gap = i;
        }

        slots[gap] = default;
        shard.Used--;
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
    }
}
