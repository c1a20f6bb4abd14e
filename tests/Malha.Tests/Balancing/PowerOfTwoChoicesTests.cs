using System.Diagnostics;
using Malha.Proxy.Balancing;

namespace Malha.Tests.Balancing;

public sealed class PowerOfTwoChoicesTests(ITestOutputHelper output)
{
    private static readonly Func<EndpointLoad[], Balancer> TwoChoices = loads => new PowerOfTwoChoices(loads);

    [Theory]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(500)]
    public void Endpoints_that_are_alike_get_the_same(int count)
    {
        var simulation = new BalancingSimulation(TwoChoices, Repeat(count, BalancingSimulation.Around(10)));
        simulation.Run(perSecond: 100 * count, seconds: count == 500 ? 10 : 60);
        var mean = simulation.Calls.Average();
        output.WriteLine($"{simulation.Calls.Min() / mean:F3} to {simulation.Calls.Max() / mean:F3} of the mean, at most {simulation.MostInFlight} in flight");
        Assert.All(simulation.Calls, calls => Assert.InRange(calls / mean, count == 500 ? 0.65 : 0.9, count == 500 ? 1.35 : 1.1));
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(2, 100)]
    [InlineData(2, 1000)]
    [InlineData(4, 10)]
    [InlineData(4, 1000)]
    [InlineData(20, 100)]
    [InlineData(20, 2000)]
    public void Weights_are_the_shares_of_endpoints_that_are_alike(int count, int perSecond)
    {
        // Half of them have three times the weight of the other half.
        var weights = Enumerable.Range(0, count).Select(place => place % 2 == 0 ? 30f : 10f).ToArray();
        double Heavy(Behaviour behaviour)
        {
            var simulation = new BalancingSimulation(TwoChoices, Repeat(count, behaviour), weights: weights);
            simulation.Run(perSecond, seconds: 40_000.0 / perSecond);
            return Enumerable.Range(0, count).Where(place => place % 2 == 0).Sum(place => simulation.Share(place));
        }

        // Steady latencies show the weights alone. Noise makes them count for less: what seems faster is preferred.
        var (steady, noisy) = (Heavy((double _, ref Xorshift _) => (10, true)), Heavy(BalancingSimulation.Around(10)));
        output.WriteLine($"steady {steady:F3}, noisy {noisy:F3} for the heavy ones");
        Assert.InRange(steady, 0.65, 0.78);
        Assert.InRange(noisy, 0.6, 0.78);
    }

    [Theory]
    [InlineData(2, 50)]
    [InlineData(2, 1_000)]
    [InlineData(10, 1_000)]
    [InlineData(500, 20_000)]
    public void A_slow_endpoint_gets_little(int count, int perSecond)
    {
        var behaviours = Repeat(count, BalancingSimulation.Around(5));
        behaviours[0] = BalancingSimulation.Around(50);
        var simulation = new BalancingSimulation(TwoChoices, behaviours);
        simulation.Run(perSecond, seconds: 2);
        simulation.Forget();
        simulation.Run(perSecond, seconds: 20);
        output.WriteLine($"{simulation.Share(0) * count:F4} of its fair share");
        Assert.InRange(simulation.Share(0) * count, 0, 0.25);
    }

    [Theory]
    [InlineData(2, 50)]
    [InlineData(2, 1_000)]
    [InlineData(10, 1_000)]
    [InlineData(500, 20_000)]
    public void An_endpoint_that_fails_fast_attracts_nothing(int count, int perSecond)
    {
        var behaviours = Repeat(count, BalancingSimulation.Around(20));
        behaviours[0] = (double nowMs, ref Xorshift random) => nowMs < 3_000 ? BalancingSimulation.Around(20)(nowMs, ref random) : (0.1, false);
        var simulation = new BalancingSimulation(TwoChoices, behaviours);
        simulation.Run(perSecond, seconds: 2);
        simulation.Forget();
        simulation.Run(perSecond, seconds: 60);
        output.WriteLine($"{simulation.Share(0) * count:F4} of its fair share");
        Assert.InRange(simulation.Share(0) * count, 0, 0.25);
    }

    [Fact]
    public void An_endpoint_that_fails_from_its_first_call_on_attracts_nothing()
    {
        var behaviours = Repeat(4, BalancingSimulation.Around(20));
        behaviours[0] = (double _, ref Xorshift _) => (0.1, false);
        var simulation = new BalancingSimulation(TwoChoices, behaviours);
        simulation.Run(perSecond: 500, seconds: 60);
        output.WriteLine($"{simulation.Share(0) * 4:F4} of its fair share");
        Assert.InRange(simulation.Share(0) * 4, 0, 0.2);
    }

    [Fact]
    public void A_rare_failure_costs_an_endpoint_little()
    {
        var behaviours = Repeat(4, BalancingSimulation.Around(10));
        behaviours[0] = (double nowMs, ref Xorshift random) => (BalancingSimulation.Around(10)(nowMs, ref random).LatencyMs, random.NextDouble() > 0.01);
        var simulation = new BalancingSimulation(TwoChoices, behaviours);
        simulation.Run(perSecond: 400, seconds: 60);
        output.WriteLine($"{simulation.Share(0) * 4:F3} of its fair share");
        Assert.InRange(simulation.Share(0) * 4, 0.75, 1.1);
    }

    [Fact]
    public void An_endpoint_that_recovers_is_let_back()
    {
        var behaviours = Repeat(4, BalancingSimulation.Around(5));
        behaviours[0] = (double nowMs, ref Xorshift random) => BalancingSimulation.Around(nowMs < 20_000 ? 500 : 5)(nowMs, ref random);
        behaviours[1] = (double nowMs, ref Xorshift random) =>
            nowMs < 20_000 ? (0.1, false) : BalancingSimulation.Around(5)(nowMs, ref random);
        var simulation = new BalancingSimulation(TwoChoices, behaviours);
        simulation.Run(perSecond: 400, seconds: 19);
        output.WriteLine($"before: {simulation.Share(0) * 4:F3} and {simulation.Share(1) * 4:F3} of the fair share");
        simulation.Run(perSecond: 400, seconds: 40);
        simulation.Forget();
        simulation.Run(perSecond: 400, seconds: 30);
        output.WriteLine($"after: {simulation.Share(0) * 4:F3} and {simulation.Share(1) * 4:F3} of the fair share");
        Assert.InRange(simulation.Share(0) * 4, 0.85, 1.15);
        Assert.InRange(simulation.Share(1) * 4, 0.85, 1.15);
    }

    [Fact]
    public void An_endpoint_that_hangs_is_left_alone_while_it_does()
    {
        var behaviours = Repeat(3, BalancingSimulation.Around(5));
        behaviours[0] = (double nowMs, ref Xorshift random) => nowMs < 3_000 ? BalancingSimulation.Around(5)(nowMs, ref random) : (2_000, false);
        var simulation = new BalancingSimulation(TwoChoices, behaviours);
        simulation.Run(perSecond: 600, seconds: 2);
        simulation.Forget();
        simulation.Run(perSecond: 600, seconds: 2);
        // Nothing has come back yet: only the calls in flight tell.
        output.WriteLine($"{simulation.Calls[0]} calls before the first one failed");
        Assert.InRange(simulation.Calls[0], 0, 30);
    }

    [Fact]
    public void A_new_endpoint_gets_no_more_than_the_others_until_it_has_answered()
    {
        var behaviours = Repeat(5, BalancingSimulation.Around(10));
        behaviours[4] = (double _, ref Xorshift _) => (1_000, true);
        var simulation = new BalancingSimulation(TwoChoices, behaviours);
        simulation.Loads[4].Weight = 0;
        simulation.Run(perSecond: 2_000, seconds: 5);
        Assert.Equal(0, simulation.Calls[4]);
        simulation.Loads[4].Weight = 1;
        simulation.Run(perSecond: 2_000, seconds: 0.9);
        output.WriteLine($"{simulation.Calls[4]} calls before the first answer, where its fair share would have been 360");
        Assert.InRange(simulation.Calls[4], 1, 40);
    }

    [Fact]
    public void A_burst_after_a_rest_is_spread_over_all()
    {
        var simulation = new BalancingSimulation(TwoChoices, Repeat(4, BalancingSimulation.Around(10)));
        simulation.Run(perSecond: 100, seconds: 10);
        foreach (var restMs in (double[])[0, 5_000, 9_990, 60_000, 3e9])
        {
            // One endpoint was heard of a little later than the others.
            simulation.NowMs += restMs;
            simulation.Loads[2].Answered((long)simulation.NowMs, TimeSpan.FromMilliseconds(10));
            simulation.NowMs += 500;
            simulation.Forget();
            simulation.Burst(1_000);
            output.WriteLine($"after {restMs} ms: {string.Join(", ", simulation.Calls)}");
            Assert.All(simulation.Calls, calls => Assert.InRange(calls, 100, 500));
            simulation.Run(perSecond: 100, seconds: 10);
        }
    }

    [Fact]
    public void Two_choices_keep_the_queues_shorter_than_one()
    {
        var two = new BalancingSimulation(TwoChoices, Repeat(100, BalancingSimulation.Around(10)));
        var one = new BalancingSimulation(loads => new AnyOne(loads), Repeat(100, BalancingSimulation.Around(10)));
        two.Run(perSecond: 20_000, seconds: 5);
        one.Run(perSecond: 20_000, seconds: 5);
        output.WriteLine($"at most {two.MostInFlight} in flight with two choices, {one.MostInFlight} with one");
        Assert.True(two.MostInFlight < one.MostInFlight);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(500)]
    public void What_has_no_weight_or_was_tried_is_passed_over(int count)
    {
        var loads = Enumerable.Range(0, count).Select(_ => new EndpointLoad()).ToArray();
        var balancer = new PowerOfTwoChoices(loads);
        var random = new Xorshift(3);
        foreach (var load in loads)
            load.Weight = 0;
        Assert.Equal(Balancer.None, balancer.Choose(0, ref random));

        loads[count - 1].Weight = 0.001f;
        for (var call = 0; call < 100; call++)
            Assert.Equal(count - 1, balancer.Choose(0, ref random, default(TriedEndpoints).With(0)));

        foreach (var load in loads)
            load.Weight = 1;
        var tried = default(TriedEndpoints);
        for (var attempt = 0; attempt < Math.Min(count, 40); attempt++)
        {
            var choice = balancer.Choose(0, ref random, tried);
            Assert.False(tried.Contains(choice));
            tried = tried.With(choice);
        }

        // When all have been tried, some one is better than none.
        for (var place = 0; place < count; place++)
            tried = tried.With(place);
        Assert.InRange(balancer.Choose(0, ref random, tried), 0, count - 1);
    }

    [Fact]
    public void A_service_without_endpoints_has_none_to_choose()
    {
        var random = new Xorshift(3);
        Assert.Equal(Balancer.None, new PowerOfTwoChoices([]).Choose(0, ref random));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(500)]
    public void Choosing_and_counting_allocate_nothing(int count)
    {
        var loads = Enumerable.Range(0, count).Select(place => new EndpointLoad(1 + (place % 3))).ToArray();
        var balancers = new Balancer[]
        {
            new PowerOfTwoChoices(loads), new RoundRobin(loads), new ConsistentHash(loads, [.. loads.Index().Select(pair => new RingMember($"http://10.0.0.{pair.Index}", (int)pair.Item.Weight))]),
        };
        var random = new Xorshift(5);
        long Allocated(int calls)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var call = 0; call < calls; call++)
            {
                var chosen = loads[balancers[call % 3].Choose(call, ref random, new TriedEndpoints(1), random.NextBits())];
                chosen.Started();
                if (call % 5 == 0)
                    chosen.Failed(call, TimeSpan.FromMilliseconds(3));
                else
                    chosen.Answered(call, TimeSpan.FromMilliseconds(call % 7));
                chosen.Finished();
            }
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Allocated(100);
        // Now and then the runtime itself allocates on this thread, for code that it replaces.
        Assert.Equal(0, Enumerable.Range(0, 3).Min(_ => Allocated(10_000)));
        foreach (var balancer in balancers)
            output.WriteLine(string.Create(null, $"{balancer.GetType().Name} of {count}: {Enumerable.Range(0, 50).Min(_ => Nanoseconds(balancer)):F0} ns"));

        double Nanoseconds(Balancer balancer)
        {
            var watch = Stopwatch.StartNew();
            for (var call = 0; call < 2_000; call++)
                balancer.Choose(10_000, ref random, key: random.NextBits());
            return watch.Elapsed.TotalNanoseconds / 2_000;
        }
    }

    private static Behaviour[] Repeat(int count, Behaviour behaviour) => [.. Enumerable.Repeat(behaviour, count)];

    private sealed class AnyOne(EndpointLoad[] endpoints) : Balancer(endpoints)
    {
        protected override int Pick(long nowMs, ref Xorshift random, TriedEndpoints tried, ulong key) => random.Next(Endpoints.Length);
    }
}
