using System.Text;
using Malha.Configuration;
using Malha.Proxy.Identity;
using Malha.Proxy.RateLimiting;
using Malha.Resilience;
using Malha.Tests.Resilience;

namespace Malha.Tests.RateLimiting;

public sealed class LimitModelTests
{
    private readonly RateLimiter _limiter = new(new KeyHash(1, 2), new RateLimitStore());

    [Theory]
    [InlineData(100, 60, "\"a\";q=100;w=60")]
    [InlineData(20, 1, "\"a\";q=20;w=1")]
    [InlineData(1.5, 1, "\"a\";q=3;w=2")]
    [InlineData(0.1, 1, "\"a\";q=1;w=10")]
    [InlineData(0.0001, 1, "\"a\";q=1;w=10000")]
    [InlineData(1000, 3600, "\"a\";q=1000;w=3600")]
    public void A_policy_is_told_in_whole_requests_and_seconds(double count, int seconds, string expected) =>
        Assert.Equal(expected, new LimitModel(new LimitConfig { Rate = new Rate(count, At.S(seconds)) }, 0, "client:a:client:0", "a").PolicyText);

    [Fact]
    public void Several_limits_take_all_or_nothing_and_the_tightest_is_told()
    {
        var limits = Compile(new LimitConfig { Rate = new Rate(10, At.S(1)) }, new LimitConfig { Rate = new Rate(3, At.S(60)) });
        Assert.Equal("RateLimit-Policy: \"a\";q=10;w=1, \"a.1\";q=3;w=60\r\n", Encoding.ASCII.GetString(limits.PolicyLine));
        var caller = new Caller();
        for (var left = 2; left >= 0; left--)
        {
            Assert.True(_limiter.Take(limits, 1, caller, At.Seconds(1)).IsNone);
            Assert.Equal(("a.1", left), (caller.Limit!.Policy, (int)caller.Remaining));
        }
        for (var refused = 0; refused < 20; refused++)
        {
            Assert.Equal(20_000, _limiter.Take(limits, 1, caller, At.Seconds(1)).RetryAfterMs);
            Assert.Equal(20, caller.ResetSeconds);
        }
        // What the first one gave was put back.
        Assert.Equal(7, _limiter.Peek(limits.Limits[0], 1, At.Seconds(1))!.Value.Remaining);
        Assert.Equal(3, _limiter.Peek(limits.Limits[1], 2, At.Seconds(1))!.Value.Remaining);
    }

    [Fact]
    public void Waiting_as_told_is_never_refused()
    {
        var chance = new Chance(17);
        for (var round = 0; round < 2_000; round++)
        {
            var limits = LimitSet.Compile([new LimitConfig { Rate = new Rate(.5 + chance.NextDouble() * 1_000, At.S(chance.NextDouble() < .5 ? 1 : 60)), Burst = 1 + (int)(chance.NextDouble() * 50) }],
                $"{round}", "a", _limiter)!;
            var caller = new Caller();
            var now = At.Seconds(1 + round);
            Malha.Proxy.Refusal refusal;
            do
                refusal = _limiter.Take(limits, 1, caller, now);
            while (refusal.IsNone);
            Assert.True(caller.ResetSeconds * 1000 >= refusal.RetryAfterMs && caller.ResetSeconds * 1000 < refusal.RetryAfterMs + 1000);
            Assert.True(_limiter.Take(limits, 1, caller, now + TimeSpan.FromMilliseconds(refusal.RetryAfterMs)).IsNone);
        }
    }

    [Fact]
    public void A_hundred_thousand_clients_take_no_more_than_sixteen_megabytes()
    {
        var limits = Compile(new LimitConfig { Rate = new Rate(1, At.S(3600)), Per = LimitScope.Ip }, new LimitConfig { Rate = new Rate(5, At.S(3600)), Per = LimitScope.Ip });
        var caller = new Caller();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var client = 0; client < 100_000; client++)
        {
            caller.Address = Ip.V4((uint)client);
            Assert.True(_limiter.Take(limits, 0, caller, At.Seconds(1)).IsNone);
        }
        // What was allocated includes the smaller tables before the last ones.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 2 * 100_000 * 16, 16_000_000);
        Assert.InRange(_limiter.Store.MemoryBytes, 2 * 100_000 * 16, 8_400_000);
        for (var client = 0; client < 100_000; client++)
        {
            caller.Address = Ip.V4((uint)client);
            Assert.False(_limiter.Take(limits, 0, caller, At.Seconds(2)).IsNone);
        }
        Assert.Equal(0, _limiter.Store.Overflowed);
    }

    private LimitSet Compile(params LimitConfig[] limits) => LimitSet.Compile([.. limits], "owner", "a", _limiter)!;
}
