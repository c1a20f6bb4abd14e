using Malha.Proxy.Balancing;

namespace Malha.Tests.Balancing;

/// <summary>The published properties: who goes or comes moves his own keys, shares are even, and no load is more than a quarter above its part.</summary>
public sealed class ConsistentHashTests
{
    private const int Keys = 50_000;

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(20)]
    public void Keys_are_spread_evenly_over_endpoints(int count)
    {
        var shares = Shares(new Ring([.. Enumerable.Repeat(1, count)]));
        // With 160 points each, the standard deviation of a share is 1/√160 of it, 8 %.
        Assert.All(shares, share => Assert.InRange(share, 0.7 / count, 1.3 / count));
    }

    [Fact]
    public void Heavier_endpoints_have_more_of_the_keys()
    {
        var shares = Shares(new Ring(1, 2, 5));
        Assert.InRange(shares[0], 0.125 * 0.75, 0.125 * 1.25);
        Assert.InRange(shares[1], 0.25 * 0.8, 0.25 * 1.2);
        Assert.InRange(shares[2], 0.625 * 0.85, 0.625 * 1.15);
        // Weights of a thousand are as good as weights of one, where the ring would be too long otherwise.
        Assert.All(Shares(new Ring([.. Enumerable.Repeat(1000, 10)])), share => Assert.InRange(share, 0.07, 0.13));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(50)]
    public void When_an_endpoint_goes_its_keys_move_and_no_others(int count)
    {
        var before = new Ring([.. Enumerable.Repeat(1, count)]);
        var after = new Ring([.. Enumerable.Repeat(1, count - 1)]);
        var moved = 0;
        foreach (var key in SomeKeys())
        {
            var (was, now) = (before.NameOf(key), after.NameOf(key));
            if (was == now)
                continue;
            moved++;
            Assert.Equal(Ring.Name(count - 1), was);
        }
        Assert.InRange(moved / (double)Keys, 0.7 / count, 1.3 / count);
    }

    [Fact]
    public void When_an_endpoint_comes_keys_move_to_it_only_whatever_its_place_in_the_list()
    {
        var before = new Ring(1, 1, 1, 1);
        var after = new Ring([4, 2, 0, 1, 3], [1, 1, 1, 1, 1]);
        var moved = 0;
        foreach (var key in SomeKeys())
        {
            if (before.NameOf(key) == after.NameOf(key))
                continue;
            moved++;
            Assert.Equal(Ring.Name(4), after.NameOf(key));
        }
        Assert.InRange(moved / (double)Keys, 0.2 * 0.7, 0.2 * 1.3);
    }

    [Fact]
    public void Keys_of_one_that_is_out_of_use_are_divided_among_all_others_and_come_back()
    {
        var ring = new Ring([.. Enumerable.Repeat(1, 5)]);
        var home = SomeKeys().ToDictionary(key => key, ring.NameOf);
        ring.Loads[2].Share = 0;
        var away = home.Where(pair => pair.Value == Ring.Name(2)).Select(pair => ring.NameOf(pair.Key)).CountBy(name => name).ToDictionary();
        Assert.Equal(4, away.Count);
        Assert.All(home.Where(pair => pair.Value != Ring.Name(2)), pair => Assert.Equal(pair.Value, ring.NameOf(pair.Key)));
        ring.Loads[2].Share = 1;
        Assert.All(home, pair => Assert.Equal(pair.Value, ring.NameOf(pair.Key)));
    }

    [Fact]
    public void One_that_starts_slowly_gets_the_same_keys_and_more_and_more_of_them()
    {
        var ring = new Ring([.. Enumerable.Repeat(1, 4)]);
        var own = SomeKeys().Where(key => ring.NameOf(key) == Ring.Name(1)).ToArray();
        var last = new HashSet<ulong>();
        foreach (var share in (ReadOnlySpan<float>)[0.1f, 0.3f, 0.6f, 1])
        {
            ring.Loads[1].Share = share;
            var has = own.Where(key => ring.NameOf(key) == Ring.Name(1)).ToHashSet();
            Assert.InRange(has.Count / (double)own.Length, share - 0.05, share + 0.05);
            Assert.Subset(has, last);
            last = has;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void No_endpoint_bears_more_than_a_quarter_above_its_part(int hotKeys)
    {
        // All calls for few keys, and none of them ends: the worst that a client can do.
        var ring = new Ring(1, 1, 2, 4);
        for (var call = 1; call <= 400; call++)
        {
            ring.Loads[ring.Choose((ulong)(call % hotKeys))].Started();
            for (var index = 0; index < 4; index++)
            {
                var part = (double)ring.Weights[index] / 8;
                Assert.True(ring.Loads[index].InFlight <= Math.Ceiling(1.25 * call * part), $"{ring.Loads[index].InFlight} of {call} at {index}");
            }
        }
        // Whoever has room keeps his keys.
        foreach (var load in ring.Loads)
        {
            while (load.InFlight > 0)
                load.Finished();
        }
        Assert.Equal(ring.Choose(0), ring.Choose(0));
    }

    [Fact]
    public void Another_attempt_goes_to_the_next_one_on_the_ring()
    {
        var ring = new Ring(1, 1, 1);
        foreach (var key in SomeKeys().Take(100))
        {
            var tried = default(TriedEndpoints);
            var met = new HashSet<int>();
            for (var attempt = 0; attempt < 3; attempt++)
            {
                var index = ring.Choose(key, tried);
                Assert.True(met.Add(index));
                tried = tried.With(index);
            }
            Assert.InRange(ring.Choose(key, tried), 0, 2);
        }
    }

    [Fact]
    public void Nobody_with_a_weight_means_none() => Assert.Equal(Balancer.None, new Ring(0, 0).Choose(1));

    private static double[] Shares(Ring ring)
    {
        var counts = SomeKeys().CountBy(key => ring.Choose(key)).ToDictionary();
        return [.. Enumerable.Range(0, ring.Loads.Length).Select(index => counts.GetValueOrDefault(index) / (double)Keys)];
    }

    private static IEnumerable<ulong> SomeKeys()
    {
        var random = new Xorshift(7);
        for (var key = 0; key < Keys; key++)
            yield return random.NextBits();
    }

    private sealed class Ring
    {
        private readonly int[] _names;
        private readonly ConsistentHash _balancer;
        private Xorshift _random = new(1);

        public Ring(params int[] weights)
            : this([.. Enumerable.Range(0, weights.Length)], weights)
        {
        }

        public Ring(int[] names, int[] weights)
        {
            _names = names;
            Weights = weights;
            Loads = [.. weights.Select(weight => new EndpointLoad(weight))];
            _balancer = new ConsistentHash(Loads, [.. names.Zip(weights, (name, weight) => new RingMember(Name(name), weight))]);
        }

        public int[] Weights { get; }

        public EndpointLoad[] Loads { get; }

        public static string Name(int number) => $"http://10.0.0.{number}:8080";

        public int Choose(ulong key, TriedEndpoints tried = default) => _balancer.Choose(0, ref _random, tried, key);

        public string NameOf(ulong key) => Name(_names[Choose(key)]);
    }
}
