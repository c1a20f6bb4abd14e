using Malha.Resilience;

namespace Malha.Lab.Simulation;

/// <summary>What happened, second by second: asked for, answered well in time, attempts made; by when the request was made.</summary>
internal sealed class Tally(int seconds)
{
    private readonly List<(double At, double Ms)> _latencies = [];
    private readonly List<(double At, double Ms)> _refusals = [];

    public int[] Asked { get; } = new int[seconds + 1];

    public int[] Good { get; } = new int[seconds + 1];

    public int[] Attempts { get; } = new int[seconds + 1];

    public void Ask(double at) => Asked[Index(at)]++;

    public void Attempt(double at) => Attempts[Index(at)]++;

    public void Succeed(double askedAt, Moment now)
    {
        Good[Index(askedAt)]++;
        _latencies.Add((askedAt, Milliseconds(askedAt, now)));
    }

    public void Refuse(double askedAt, Moment now) => _refusals.Add((askedAt, Milliseconds(askedAt, now)));

    public double GoodPerSecond(double from, double to) => Sum(Good, from, to) / (to - from);

    public double AskedPerSecond(double from, double to) => Sum(Asked, from, to) / (to - from);

    public double AttemptsPerSecond(double from, double to) => Sum(Attempts, from, to) / (to - from);

    /// <summary>The share of what was asked for that was answered.</summary>
    public double Share(double from, double to) => Sum(Good, from, to) / Math.Max(1, Sum(Asked, from, to));

    public double LatencyMs(double quantile, double from, double to) => Quantile(_latencies, quantile, from, to);

    /// <summary>How long those waited who were refused.</summary>
    public double RefusalMs(double quantile, double from, double to) => Quantile(_refusals, quantile, from, to);

    /// <summary>Seconds from a moment to the first of five good seconds in a row; infinite when they never come.</summary>
    public double RecoveryAfter(int second, double share)
    {
        for (var from = second; from + 5 <= Good.Length - 1; from++)
        {
            if (Enumerable.Range(from, 5).All(s => Good[s] >= share * Asked[s]))
                return from - second;
        }

        return double.PositiveInfinity;
    }

    private static double Milliseconds(double askedAt, Moment now) => now.Ticks / (double)TimeSpan.TicksPerMillisecond - askedAt * 1000;

    private static double Quantile(List<(double At, double Ms)> times, double quantile, double from, double to)
    {
        var sorted = times.Where(one => one.At >= from && one.At < to).Select(one => one.Ms).Order().ToList();
        return sorted.Count == 0 ? double.PositiveInfinity : sorted[(int)Math.Min(sorted.Count - 1, quantile * sorted.Count)];
    }

    private static double Sum(int[] series, double from, double to) => series.AsSpan((int)from, (int)to - (int)from).ToArray().Sum();

    private int Index(double at) => Math.Min((int)at, Good.Length - 1);
}
