using CsCheck;
using Malha.Resilience;

namespace Malha.Tests.Resilience;

/// <summary>Several gateways and one store, in virtual time; the store computes as the script in Redis does.</summary>
public sealed class LeasedLimitTests
{
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void Part_of_the_burst_passes_before_the_store_is_heard()
    {
        var limit = new Gcra(new RateLimitOptions { Limit = 10, Burst = 9 });
        var lease = new LeasedLimit(limit, gateways: 3, At.Seconds(1));
        for (var left = 2; left >= 0; left--)
            Assert.Equal((true, left), Take(lease, limit, 1));
        Assert.Equal((false, 0), Take(lease, limit, 1));
        Assert.Equal(new LeaseRequest(Settle: 3, Want: 8), lease.Prepare(limit));
    }

    [Fact]
    public void What_is_not_asked_for_comes_back()
    {
        var limit = new Gcra(new RateLimitOptions { Limit = 10, Burst = 9 });
        var lease = new LeasedLimit(limit, gateways: 1, At.Seconds(1));
        Take(lease, limit, 1);
        Assert.Equal(new LeaseRequest(1, 2), lease.Prepare(limit));
        lease.Settled(new LeaseGrant(2, 6, At.Ms(300)), 1, At.Seconds(1));
        Assert.Equal(new LeaseRequest(-2, 0), lease.Prepare(limit));
        lease.Settled(default, 1, At.Seconds(1));
        Assert.True(lease.Prepare(limit).IsEmpty);
    }

    [Fact]
    public void Who_gets_less_than_it_wants_lets_only_leased_requests_pass()
    {
        var limit = new Gcra(new RateLimitOptions { Limit = 10, Burst = 9 });
        var lease = new LeasedLimit(limit, gateways: 1, At.Seconds(1));
        for (var request = 0; request < 9; request++)
            Take(lease, limit, 1);
        lease.Prepare(limit);
        lease.Settled(new LeaseGrant(1, 0, At.Ms(900)), 1, At.Seconds(1));
        Assert.Equal((true, 0), Take(lease, limit, 1));
        var hurries = false;
        var refused = lease.TryTake(limit, At.Seconds(1), 1, ref hurries);
        Assert.Equal((false, At.Ms(100), false), (refused.Allowed, refused.RetryAfter, hurries));
    }

    [Fact]
    public void Given_back_is_as_if_it_had_not_been_taken()
    {
        var limit = new Gcra(new RateLimitOptions { Limit = 10, Burst = 9 });
        var lease = new LeasedLimit(limit, gateways: 3, At.Seconds(1));
        Take(lease, limit, 1);
        lease.GiveBack(1);
        Assert.True(lease.Prepare(limit).IsEmpty);
        Assert.Equal((true, 2), Take(lease, limit, 1));
    }

    [Fact]
    public void Gateways_together_let_pass_what_one_would()
    {
        // Rate, burst, gateways, and how much of the rate each is asked for, at random per gateway.
        var cases = from rate in Gen.Int[20, 2000]
                    from seconds in Gen.Double[0.2, 3]
                    from gateways in Gen.Int[2, 6]
                    from load in Gen.Double[0.2, 8].Array[6]
                    from seed in Gen.ULong
                    select (rate, burst: Math.Max(10, (int)(rate * seconds)), gateways, load, seed);
        cases.Sample(
            one =>
            {
                const int Seconds = 20;
                var limit = new Gcra(new RateLimitOptions { Limit = one.rate, Burst = one.burst });
                var (passed, asked) = Run(limit, one.gateways, one.load, one.seed, Seconds);
                var whole = one.burst + (one.rate * (double)Seconds);
                // Never more than the limit, and what was let pass before the others were heard of.
                Assert.InRange(passed, 0, (whole * 1.1) + one.gateways);
                Assert.InRange(passed, (Math.Min(whole, asked) * 0.9) - one.gateways, double.MaxValue);
            },
            iter: 100);
    }

    private static (long Passed, long Asked) Run(Gcra limit, int gateways, double[] load, ulong seed, int seconds)
    {
        var random = new Chance(seed);
        var leases = Enumerable.Range(0, gateways).Select(_ => new LeasedLimit(limit, gateways, At.Seconds(1))).ToArray();
        var store = new Store();
        var (passed, asked) = (0L, 0L);
        var settles = leases.Select(_ => Turn * random.NextDouble()).ToArray();
        var owes = new double[gateways];
        for (var time = TimeSpan.Zero; time < TimeSpan.FromSeconds(seconds); time += TimeSpan.FromMilliseconds(1))
        {
            var now = At.Seconds(1) + time;
            for (var i = 0; i < gateways; i++)
            {
                var hurries = false;
                for (owes[i] += limit.Options.Limit * load[i] / gateways / 1000; owes[i] >= 1; owes[i]--)
                {
                    asked++;
                    passed += leases[i].TryTake(limit, now, 1, ref hurries).Allowed ? 1 : 0;
                }
                if (!hurries && time < settles[i])
                    continue;
                settles[i] = time + Turn;
                var request = leases[i].Prepare(limit);
                if (!request.IsEmpty)
                    leases[i].Settled(store.Lease(limit, request, now), gateways, now);
            }
        }
        return (passed, asked);
    }

    private static (bool Allowed, long Remaining) Take(LeasedLimit lease, Gcra limit, double second)
    {
        var hurries = false;
        var decision = lease.TryTake(limit, At.Seconds(second), 1, ref hurries);
        return (decision.Allowed, decision.Remaining);
    }

    private sealed class Store
    {
        private double _tat = double.MinValue;

        public LeaseGrant Lease(Gcra limit, LeaseRequest request, Moment moment)
        {
            var (now, emission) = (moment.Ticks / 1e7, 1 / limit.Options.Limit);
            var tolerance = emission * limit.Burst;
            var tat = Math.Max(Math.Min(Math.Max(_tat, now) + (request.Settle * emission), now + (2 * tolerance)), now);
            var room = Math.Max(0, (long)Math.Floor(((now + tolerance - tat) / emission) + 0.001));
            var granted = Math.Min(request.Want, room);
            _tat = tat + (granted * emission);
            return new LeaseGrant(granted, room - granted, TimeSpan.FromSeconds(_tat - now));
        }
    }
}
