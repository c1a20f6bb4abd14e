using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Limits;

/// <summary>What a rate limit let through: the moments, in seconds.</summary>
internal sealed record Passed(IReadOnlyList<double> At)
{
    /// <summary>The most within any stretch of a second.</summary>
    public int MostInASecond()
    {
        var (most, first) = (0, 0);
        for (var last = 0; last < At.Count; last++)
        {
            while (At[last] - At[first] >= 1)
                first++;
            most = Math.Max(most, last - first + 1);
        }

        return most;
    }

    public int Until(double second) => At.Count(at => at < second);
}

/// <summary>A client that has a rate limit before it.</summary>
internal static class LimitRuns
{
    public const double Limit = 100;
    public const int Burst = 20;
    public const int Seconds = 4;

    /// <summary>150 calls just before the turn of each second and 150 just after: what a counter per second is worst at, by chance or on purpose.</summary>
    public static Passed AroundTheTurn(bool gcra)
    {
        var time = new VirtualTime();
        var bucket = new Gcra(new RateLimitOptions { Limit = Limit, Burst = Burst });
        var word = 0L;
        var counts = new int[Seconds + 2];
        var passed = new List<double>();
        for (var second = 1; second <= Seconds; second++)
        {
            for (var i = 0; i < 300; i++)
                time.AtSecond(second - .1 + i * .2 / 300, Ask);
        }

        time.RunUntil(Seconds + 1);
        return new Passed(passed);

        void Ask()
        {
            var allowed = gcra ? bucket.TryTake(ref word, time.Now).Allowed : counts[(int)time.Seconds]++ < Limit;
            if (allowed)
                passed.Add(time.Seconds);
        }
    }

    /// <summary>Calls that come by chance, far more than are allowed: how many pass, and how many must.</summary>
    public static (int Passed, double Expected) Exact(double limit, TimeSpan period, int burst, double offered, int seconds, ulong seed)
    {
        var time = new VirtualTime();
        var bucket = new Gcra(new RateLimitOptions { Limit = limit, Period = period, Burst = burst });
        var word = 0L;
        var passed = 0;
        time.Arrivals(new Chance(seed), _ => offered, seconds, () => passed += bucket.TryTake(ref word, time.Now).Allowed ? 1 : 0);
        time.RunUntil(seconds);
        return (passed, burst + limit * seconds / period.TotalSeconds);
    }
}

/// <summary>
/// A service that accepts 20 calls a second and says no to the rest, though that costs it too; callers want 100/s. At second 150 it is whole again.
/// </summary>
internal sealed class ThrottleRun
{
    public const int WeakAt = 60;
    public const int WeakFor = 180;
    public const int End = 420;
    public const double Wanted = 100;
    public const int Accepts = 20;

    private ThrottleRun(bool throttled, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var throttle = new Throttle(new ThrottleOptions(), chance.Fork());
        var taken = new int[End + 1];
        time.Arrivals(chance.Fork(), _ => Wanted, End, () =>
        {
            if (throttled && !throttle.TryPass(time.Now))
                return;
            var second = (int)time.Seconds;
            Sent[second]++;
            var weak = second is >= WeakAt and < WeakAt + WeakFor;
            var accepted = !weak || taken[second]++ < Accepts;
            Accepted[second] += accepted ? 1 : 0;
            if (throttled)
                time.After(TimeSpan.FromMilliseconds(5), () => throttle.Report(accepted ? OutcomeKind.Success : OutcomeKind.BackPressure, time.Now));
        });
        time.RunUntil(End);
    }

    public double[] Sent { get; } = new double[End + 1];

    public double[] Accepted { get; } = new double[End + 1];

    public static ThrottleRun Run(bool throttled, ulong seed) => new(throttled, seed);

    /// <summary>Sent per second once two minutes, the throttle's memory, are full of it.</summary>
    public double SentWhileWeak => Mean(Sent, WeakAt + 120, WeakAt + WeakFor);

    public double AcceptedWhileWeak => Mean(Accepted, WeakAt + 120, WeakAt + WeakFor);

    public double AcceptedInTheEnd => Mean(Accepted, End - 30, End);

    private static double Mean(double[] series, int from, int to) => series[from..to].Average();
}
