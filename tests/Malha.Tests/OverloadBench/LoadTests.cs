using System.Text;
using Malha.Bench.Overload;
using Malha.Bench.Overload.Load;

namespace Malha.Tests.OverloadBench;

/// <summary>The clients of bench/overload: when they call, and how they read an answer.</summary>
public sealed class LoadTests
{
    [Fact]
    public void Arrivals_are_in_order_at_the_rate_of_their_stretch_and_the_same_for_the_same_seed()
    {
        var plan = Plan([new RatePlan(0, 100), new RatePlan(10, 1000), new RatePlan(20, 0)], seconds: 30);
        var arrivals = Arrivals.Of(plan);
        Assert.Equal(arrivals.Order(), arrivals);
        Assert.Equal(arrivals, Arrivals.Of(plan));
        Assert.NotEqual(arrivals, Arrivals.Of(plan with { Seed = 8 }));
        // Poisson counts: within five standard deviations.
        Assert.InRange(arrivals.Count(a => a.At < 10 * PreciseTime.Second), 1000 - 160, 1000 + 160);
        Assert.InRange(arrivals.Count(a => a.At >= 10 * PreciseTime.Second && a.At < 20 * PreciseTime.Second), 10_000 - 500, 10_000 + 500);
        Assert.DoesNotContain(arrivals, a => a.At >= 20 * PreciseTime.Second);
    }

    [Fact]
    public void A_second_stream_does_not_change_the_first_ones_arrivals()
    {
        var one = Plan([new RatePlan(0, 50)], seconds: 10);
        var two = one with { Streams = [one.Streams[0], one.Streams[0] with { Name = "other" }] };
        Assert.Equal(Arrivals.Of(one), Arrivals.Of(two).Where(a => a.Stream == 0));
    }

    [Fact]
    public void A_burst_comes_at_one_moment()
    {
        var plan = Plan([], seconds: 10);
        plan = plan with { Streams = [plan.Streams[0] with { Bursts = [new BurstPlan(3, 20)] }] };
        Assert.Equal(Enumerable.Repeat(3 * PreciseTime.Second, 20), Arrivals.Of(plan).Select(a => a.At));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ndone\n", 200, true)]
    [InlineData("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 503, false)]
    [InlineData("HTTP/1.0 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 503, false)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndone\n\r\n0\r\n\r\n", 200, true)]
    [InlineData("HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, false)]
    [InlineData("SSH-2.0-OpenSSH\r\n\r\n", 0, false)]
    public void An_answer_is_read_whole(string text, int status, bool keepsAlive)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        Assert.True(Answer.TryRead(bytes, out var answer));
        Assert.Equal(new Answer(status, keepsAlive), answer);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ndon")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndone\n\r\n")]
    public void An_answer_is_not_whole_before_its_body_is(string text) =>
        Assert.False(Answer.TryRead(Encoding.ASCII.GetBytes(text), out _));

    private static Plan Plan(IReadOnlyList<RatePlan> rates, double seconds) => new()
    {
        Seconds = seconds,
        Seed = 7,
        WarmUrl = "http://127.0.0.1:1/",
        Streams = [new StreamPlan { Name = "calls", Url = "http://127.0.0.1:1/", Rates = rates }],
    };
}
