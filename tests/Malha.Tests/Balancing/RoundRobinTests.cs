using Malha.Configuration;
using Malha.Proxy.Balancing;

namespace Malha.Tests.Balancing;

public sealed class RoundRobinTests
{
    [Fact]
    public void Equal_endpoints_take_turns() => Assert.Equal([0, 1, 2, 0, 1, 2, 0], Choose(Loads(1, 1, 1), 7));

    [Fact]
    public void Heavier_endpoints_come_more_often_and_evenly_spread()
    {
        // Five of seven, and never more of the others in a row than one.
        Assert.Equal([0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0], Choose(Loads(5, 1, 1), 14));
        Assert.Equal([1, 0, 1, 1, 0, 1], Choose(Loads(0.5f, 1), 6));
    }

    [Fact]
    public void Many_endpoints_get_exactly_their_weights()
    {
        var loads = Enumerable.Range(0, 500).Select(place => new EndpointLoad(1 + (place % 4))).ToArray();
        var sum = (int)loads.Sum(load => load.Weight);
        var counts = Choose(loads, sum * 3).CountBy(index => index).ToDictionary();
        Assert.All(loads.Index(), pair => Assert.Equal(pair.Item.Weight * 3, counts[pair.Index]));
    }

    [Fact]
    public void The_turn_of_one_that_is_out_of_use_does_not_fall_to_its_neighbour()
    {
        var loads = Loads(1, 1, 1, 1);
        var balancer = new RoundRobin(loads);
        var random = new Xorshift(1);
        loads[1].Weight = 0;
        var counts = Enumerable.Range(0, 300).CountBy(_ => balancer.Choose(0, ref random)).ToDictionary();
        Assert.Equal([100, 100, 100], [counts[0], counts[2], counts[3]]);
    }

    [Fact]
    public void What_was_tried_is_passed_over_while_there_is_another()
    {
        var balancer = new RoundRobin(Loads(1, 1, 1));
        var random = new Xorshift(1);
        var tried = default(TriedEndpoints);
        for (var attempt = 0; attempt < 3; attempt++)
            tried = tried.With(balancer.Choose(0, ref random, tried));
        Assert.Equal(0b111UL, tried.Bits);
        Assert.InRange(balancer.Choose(0, ref random, tried), 0, 2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void Nobody_with_a_weight_means_none(int count)
    {
        var random = new Xorshift(1);
        Assert.Equal(Balancer.None, new RoundRobin(Loads(new float[count])).Choose(0, ref random));
    }

    [Fact]
    public async Task Threads_share_the_turns()
    {
        var loads = Loads(1, 2, 3);
        var balancer = new RoundRobin(loads);
        var counts = new int[3];
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            var random = new Xorshift((ulong)worker);
            for (var call = 0; call < 6_000; call++)
                Interlocked.Increment(ref counts[balancer.Choose(0, ref random)]);
        }, TestContext.Current.CancellationToken)));
        Assert.Equal([4_000, 8_000, 12_000], counts);
    }

    [Fact]
    public void The_configuration_names_the_kind()
    {
        Assert.IsType<RoundRobin>(Balancer.Of(BalanceKind.RoundRobin, [], []));
        Assert.IsType<PowerOfTwoChoices>(Balancer.Of(BalanceKind.LeastLoaded, [], []));
        Assert.IsType<ConsistentHash>(Balancer.Of(BalanceKind.ConsistentHash, [], []));
    }

    private static EndpointLoad[] Loads(params float[] weights) => [.. weights.Select(weight => new EndpointLoad(weight))];

    private static int[] Choose(EndpointLoad[] loads, int calls)
    {
        var balancer = new RoundRobin(loads);
        var random = new Xorshift(1);
        return [.. Enumerable.Range(0, calls).Select(_ => balancer.Choose(0, ref random))];
    }
}
