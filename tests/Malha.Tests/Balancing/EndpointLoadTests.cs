using Malha.Proxy.Balancing;

namespace Malha.Tests.Balancing;

public sealed class EndpointLoadTests
{
    private readonly EndpointLoad _load = new();

    [Fact]
    public void Nothing_is_known_before_the_first_answer()
    {
        Assert.False(_load.TryGetLatency(0, out _));
        Assert.Equal(0, _load.FailureShare(0));
        Assert.Equal(0, _load.InFlight);
    }

    [Fact]
    public void The_first_answer_counts_in_full_even_at_time_zero()
    {
        _load.Answered(0, Ms(20));
        Assert.Equal(20, Latency(0));
        var instant = new EndpointLoad();
        instant.Answered(0, TimeSpan.Zero);
        Assert.True(instant.TryGetLatency(0, out var latency));
        Assert.InRange(latency, 0, 0.01f);
    }

    [Fact]
    public void A_slower_answer_counts_at_once_and_a_faster_one_as_time_goes_by()
    {
        _load.Answered(1_000, Ms(10));
        _load.Answered(1_001, Ms(500));
        Assert.Equal(500, Latency(1_001));
        _load.Answered(1_001, Ms(10));
        Assert.Equal(500, Latency(1_001));

        // One decay time, in however many steps, brings it down to 1/e of the way.
        for (var step = 1; step <= 100; step++)
            _load.Answered(1_001 + (step * EndpointLoad.DecayMs / 100), Ms(10));
        Assert.Equal(10 + (490 / Math.E), Latency(1_001 + EndpointLoad.DecayMs), 0.5);
    }

    [Fact]
    public void What_was_not_heard_of_for_a_decay_time_is_not_known_any_more()
    {
        _load.Answered(5_000, Ms(10));
        _load.Failed(5_000, Ms(10));
        Assert.True(_load.TryGetLatency(4_990, out _));
        Assert.True(_load.TryGetLatency(5_000 + EndpointLoad.DecayMs - 1, out _));
        Assert.False(_load.TryGetLatency(5_000 + EndpointLoad.DecayMs, out _));
        Assert.Equal(0, _load.FailureShare(5_000 + EndpointLoad.DecayMs));
        // Neither days later, when the milliseconds of one word have wrapped around, nor weeks.
        Assert.False(_load.TryGetLatency(5_000 + (30L * 24 * 3_600_000), out _));
        Assert.False(_load.TryGetLatency(5_000 + (1L << 31), out _));
        _load.Answered((1L << 33) + 100_000, Ms(3));
        Assert.Equal(3, Latency((1L << 33) + 100_000));
    }

    [Fact]
    public void A_failure_makes_nobody_faster_but_may_make_him_slower()
    {
        _load.Answered(1_000, Ms(100));
        for (var time = 1_000; time < 9_000; time += 10)
            _load.Failed(time, Ms(0.1));
        Assert.Equal(100, Latency(9_000));
        Assert.InRange(_load.FailureShare(9_000), 0.99f, 1f);
        _load.Failed(9_000, Ms(2_000));
        Assert.Equal(2_000, Latency(9_000));

        var unknown = new EndpointLoad();
        unknown.Failed(1_000, Ms(0.1));
        Assert.False(unknown.TryGetLatency(1_000, out _));
    }

    [Fact]
    public void The_share_of_failures_follows_what_happens()
    {
        var random = new Xorshift(9);
        var sum = 0.0;
        for (var call = 0; call < 20_000; call++)
        {
            if (random.NextDouble() < 0.2)
                _load.Failed(call, Ms(1));
            else
                _load.Answered(call, Ms(1));
            sum += _load.FailureShare(call);
        }
        Assert.Equal(0.2, sum / 20_000, 0.02);
        for (var call = 0; call < 100; call++)
            _load.Answered(20_000 + call, Ms(1));
        Assert.InRange(_load.FailureShare(20_100), 0, 0.002f);
    }

    [Fact]
    public async Task Threads_lose_no_count_and_tear_no_value()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            for (var call = 0; call < 20_000; call++)
            {
                _load.Started();
                _load.Answered(call / 100, Ms(worker + 1));
                Assert.True(_load.TryGetLatency(call / 100, out var latency));
                Assert.InRange(latency, 1, 4);
                if (call % 2 == 0)
                    _load.Finished();
            }
        }, TestContext.Current.CancellationToken)));
        Assert.Equal(40_000, _load.InFlight);
    }

    private float Latency(long nowMs)
    {
        Assert.True(_load.TryGetLatency(nowMs, out var latency));
        return latency;
    }

    private static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);
}
