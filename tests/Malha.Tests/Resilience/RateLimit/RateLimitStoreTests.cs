using System.Text;
using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class RateLimitStoreTests
{
    private static readonly KeyHash Hash = new(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    private static readonly Gcra Limit = new(new RateLimitOptions { Limit = 10, Burst = 3 });

    [Fact]
    public void A_hundred_thousand_clients_with_three_limits_fit_in_sixteen_megabytes()
    {
        var store = new RateLimitStore();
        for (var client = 0; client < 100_000; client++)
        {
            for (var limit = 0; limit < 3; limit++)
                Assert.Equal(2, store.TryTake(Key(client, limit), Limit, At.Seconds(1)).Remaining);
        }

        Assert.InRange(store.MemoryBytes, 4_800_000, 16_000_000);

        // Every single one is still known.
        for (var client = 0; client < 100_000; client++)
            Assert.Equal(1, store.TryTake(Key(client, client % 3), Limit, At.Seconds(1)).Remaining);
    }

    [Fact]
    public void Buckets_that_are_full_again_make_room_without_growth()
    {
        var store = new RateLimitStore();
        var size = 0L;
        for (var round = 0; round < 50; round++)
        {
            for (var client = 0; client < 2_000; client++)
                Assert.True(store.TryTake(Key(round * 2_000 + client, 0), Limit, At.Seconds(1 + round)).Allowed);
            size = round == 0 ? store.MemoryBytes : size;
        }

        Assert.True(store.MemoryBytes <= 2 * size, $"{store.MemoryBytes} after {size}");
    }

    [Fact]
    public void Beyond_its_limit_the_store_stays_in_bounds_and_goes_on_limiting_who_insists()
    {
        var store = new RateLimitStore(keysAtMost: 4_000);
        var flood = 0;
        var allowed = 0;
        for (var second = 0; second < 20; second++)
        {
            for (var i = 0; i < 50_000; i++)
                store.TryTake(Key(flood++, 1), Limit, At.Seconds(second));
            for (var i = 0; i < 10; i++)
                allowed += store.TryTake(Key(-1, 0), Limit, At.Seconds(second)).Allowed ? 1 : 0;
        }

        Assert.True(store.MemoryBytes <= 64 * 128 * 16, $"{store.MemoryBytes}");
        Assert.True(allowed <= 20 * 3);
    }

    [Fact]
    public void A_flood_of_new_keys_never_makes_the_store_forget_an_active_one()
    {
        var hourly = new Gcra(new RateLimitOptions { Limit = 3, Period = TimeSpan.FromHours(1) });
        var store = new RateLimitStore(keysAtMost: 4_000);
        for (var key = 0; key < 2_000; key++)
        {
            for (var left = 2; left >= 0; left--)
                Assert.Equal(left, store.TryTake(Key(key, 0), hourly, At.Seconds(1)).Remaining);
        }
        var allowed = 0;
        for (var i = 0; i < 200_000; i++)
            allowed += store.TryTake(Key(i, 1), hourly, At.Seconds(1 + i * 1e-3)).Allowed ? 1 : 0;
        Assert.All(Enumerable.Range(0, 2_000), key => Assert.False(store.TryTake(Key(key, 0), hourly, At.Seconds(201)).Allowed));

        // The flood gets what is free, and one bucket a shard together for the rest.
        Assert.InRange(allowed, 1, 64 * 96 + 64 * 4);
        Assert.Equal(200_000 - store.Count + 2_000, store.Overflowed);
        Assert.True(store.MemoryBytes <= 64 * 128 * 16, $"{store.MemoryBytes}");
    }

    [Fact]
    public void A_full_store_makes_room_when_buckets_are_full_again()
    {
        var store = new RateLimitStore(keysAtMost: 4_000);
        for (var i = 0; i < 20_000; i++)
            store.TryTake(Key(i, 0), Limit, At.Seconds(1));
        Assert.True(store.Overflowed > 0);
        var overflowed = store.Overflowed;
        for (var i = 0; i < 3_000; i++)
            Assert.Equal(2, store.TryTake(Key(i, 1), Limit, At.Seconds(2)).Remaining);
        Assert.Equal(overflowed, store.Overflowed);
    }

    [Fact]
    public void A_look_takes_nothing()
    {
        var store = new RateLimitStore();
        Assert.Equal(3, store.Peek(7, Limit, At.Seconds(1)).Remaining);
        store.TryTake(7, Limit, At.Seconds(1));
        for (var i = 0; i < 10; i++)
            Assert.Equal(2, store.Peek(7, Limit, At.Seconds(1)).Remaining);
        Assert.Equal(1, store.Count);
    }

    [Fact]
    public void What_is_given_back_can_be_taken_again()
    {
        var store = new RateLimitStore();
        for (var i = 0; i < 10; i++)
        {
            Assert.True(store.TryTake(7, Limit, At.Seconds(1), 3).Allowed);
            Assert.False(store.TryTake(7, Limit, At.Seconds(1)).Allowed);
            store.GiveBack(7, Limit, 3);
        }

        Assert.True(store.TryTake(0, Limit, At.Seconds(1)).Allowed);
    }

    [Fact]
    public void Known_and_new_keys_cost_no_memory()
    {
        var store = new RateLimitStore();
        for (var i = 0UL; i < 1_000; i++)
            store.TryTake(i, Limit, At.Seconds(1));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0UL; i < 1_000; i++)
            store.TryTake(i, Limit, At.Seconds(2));
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Hash_depends_on_key_length_space_and_secret()
    {
        var seen = new HashSet<ulong>();
        for (var length = 0; length < 40; length++)
        {
            for (var space = 0; space < 4; space++)
            {
                Assert.True(seen.Add(Hash.Of(new byte[length], space)));
                Assert.True(seen.Add(new KeyHash(1, 2).Of(new byte[length], space)));
            }
        }
    }

    private static ulong Key(int client, int limit) => Hash.Of(Encoding.ASCII.GetBytes($"client-{client}"), limit);
}
