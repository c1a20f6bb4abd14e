using System.Globalization;
using Malha.Lab.Scenarios;

namespace Malha.Tests.Lab;

public sealed class AdaptiveLimitTests
{
    private static readonly ulong[] Seeds = Enumerable.Range(1, 5).Select(i => (ulong)i).ToArray();

    [Theory]
    [InlineData(1, 50, false)]
    [InlineData(10, 500, false)]
    [InlineData(10, 50, false)]
    [InlineData(100, 50, false)]
    [InlineData(10, 5, false)]
    [InlineData(8, 40, true)]
    [InlineData(10, 500, true)]
    [InlineData(100, 50, true)]
    [InlineData(10, 5, true)]
    public void Any_capacity_is_found_at_five_times_its_load(int workers, double workMs, bool exponential)
    {
        foreach (var seed in Seeds)
        {
            var overload = new Overload { Workers = workers, WorkMs = workMs, Exponential = exponential };
            overload = overload with { Seconds = overload.Settling + 30 };
            var trace = new List<string>();
            var (tally, gateway) = overload.Run(seed, (time, g) =>
            {
                for (var s = .25; s < 32; s += .25)
                    time.AtSecond(s, () => trace.Add(g.Admission!.Limit.ToString(CultureInfo.InvariantCulture)));
            });
            var from = overload.Settling;
            var goodput = tally.GoodPerSecond(from, overload.Seconds) / overload.Capacity;
            var p99 = tally.LatencyMs(.99, from, overload.Seconds);
            var bound = (exponential ? workMs * Math.Log(100) : workMs) + 3 * workMs;
            Console.Error.WriteLine($"{workers}x{workMs} {exponential} seed {seed}: {goodput:0.000} p99 {p99:0} ({bound:0}) limit {gateway.Admission!.Limit}: {string.Join(' ', trace.Take(10))}");
        }
    }
}
