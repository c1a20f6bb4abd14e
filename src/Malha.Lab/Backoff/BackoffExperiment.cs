using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Backoff;

/// <summary>What a number of clients needed until the last had written.</summary>
internal readonly record struct BackoffCost(int WriteCalls, double Milliseconds);

/// <summary>Means over many trials, with their standard errors.</summary>
internal sealed record BackoffSummary(double Calls, double CallsError, double Ms, double MsError);

/// <summary>
/// AWS's comparison of back-offs: one row with a version. Each client reads it, then writes with the version that it read; when another wrote in between it
/// backs off and starts again. A hop takes |Normal(10 ms, 2 ms)|; base 5 ms, cap 2 s; the first retry is number 1.
/// </summary>
internal static class BackoffExperiment
{
    public static readonly RetryOptions Options = new() { Base = TimeSpan.FromMilliseconds(5), Max = TimeSpan.FromSeconds(2) };

    public static BackoffCost Run(BackoffKind kind, int clients, Chance chance)
    {
        var time = new VirtualTime();
        var version = 0;
        var calls = 0;
        var last = default(Moment);
        for (var i = 0; i < clients; i++)
            Read(0, Options.Base);
        time.RunToEnd();
        return new BackoffCost(calls, last.Ticks / (double)TimeSpan.TicksPerMillisecond);

        TimeSpan Hop() => TimeSpan.FromMilliseconds(Math.Abs(chance.Normal(10, 2)));

        void Read(int attempt, TimeSpan previous) => time.After(Hop(), () =>
        {
            var read = version;
            time.After(Hop(), () => Write(read, attempt, previous));
        });

        void Write(int read, int attempt, TimeSpan previous)
        {
            calls++;
            time.After(Hop(), () =>
            {
                var written = read == version;
                version += written ? 1 : 0;
                time.After(Hop(), () =>
                {
                    last = time.Now;
                    if (written)
                        return;
                    var delay = Malha.Resilience.Backoff.Delay(kind, attempt + 1, previous, Options, chance);
                    time.After(delay, () => Read(attempt + 1, delay));
                });
            });
        }
    }

    public static BackoffSummary Summarize(BackoffKind kind, int clients, int trials, ulong seed)
    {
        var chance = new Chance(seed);
        var runs = Enumerable.Range(0, trials).Select(_ => Run(kind, clients, chance.Fork())).ToList();
        var (calls, callsError) = Mean(runs.Select(run => (double)run.WriteCalls).ToList());
        var (ms, msError) = Mean(runs.Select(run => run.Milliseconds).ToList());
        return new BackoffSummary(calls, callsError, ms, msError);
    }

    private static (double Mean, double Error) Mean(List<double> values)
    {
        var mean = values.Average();
        var variance = values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1);
        return (mean, Math.Sqrt(variance / values.Count));
    }
}
