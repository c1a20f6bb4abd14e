using Malha.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Resilience;

public sealed class CommonTests
{
    private sealed class OddClock(long frequency) : TimeProvider
    {
        public long Stamp { get; set; } = 12345;

        public override long TimestampFrequency => frequency;

        public override long GetTimestamp() => Stamp;
    }

    [Theory]
    [InlineData(1_000_000_000)]
    [InlineData(10_000_000)]
    [InlineData(3_579_545)]
    [InlineData(1_000)]
    public void Clock_of_any_frequency_counts_the_same_seconds(long frequency)
    {
        var source = new OddClock(frequency);
        var clock = new Clock(source);
        Assert.Equal(0, clock.Now.Ticks);
        source.Stamp += 5 * frequency;
        Assert.InRange(clock.Now.Ticks, 5 * TimeSpan.TicksPerSecond - 1, 5 * TimeSpan.TicksPerSecond);
    }

    [Fact]
    public void Clock_follows_a_fake_time_provider()
    {
        var time = new FakeTimeProvider();
        var clock = new Clock(time);
        time.Advance(At.Ms(250));
        Assert.Equal(At.Seconds(.25), clock.Now);
    }

    [Fact]
    public void Adding_forever_saturates()
    {
        Assert.Equal(Moment.Never, At.Seconds(5) + TimeSpan.MaxValue);
        Assert.Equal(Moment.Never, Moment.Never + At.S(1));
    }

    [Fact]
    public void Chance_of_one_seed_repeats_and_is_even()
    {
        var first = new Chance(7);
        var second = new Chance(7);
        var buckets = new int[10];
        for (var i = 0; i < 100_000; i++)
        {
            var draw = first.NextDouble();
            Assert.Equal(draw, second.NextDouble());
            buckets[(int)(draw * 10)]++;
        }

        Assert.All(buckets, count => Assert.InRange(count, 9_600, 10_400));
    }

    [Fact]
    public void Window_forgets_slot_by_slot()
    {
        var window = new SlidingWindow(2, 10, At.S(10));
        window.Advance(At.Seconds(0.5));
        window.Add(0, 3);
        window.Advance(At.Seconds(5.5));
        window.Add(1, 1);
        Assert.Equal(3, window[0]);
        window.Advance(At.Seconds(9.9));
        Assert.Equal(3, window[0]);
        window.Advance(At.Seconds(10));
        Assert.Equal(0, window[0]);
        Assert.Equal(1, window[1]);
        window.Advance(At.Seconds(100));
        Assert.Equal(0, window[1]);
    }

    [Fact]
    public void Window_keeps_its_counts_unless_its_length_changes()
    {
        var window = new SlidingWindow(1, 10, At.S(10));
        window.Advance(At.Seconds(3));
        window.Add(0, 3);
        window.Resize(At.S(10), At.Seconds(3));
        Assert.Equal(3, window[0]);
        window.Resize(At.S(20), At.Seconds(3));
        Assert.Equal(0, window[0]);
    }
}
