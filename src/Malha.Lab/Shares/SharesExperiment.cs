using Malha.Lab.Reports;
using Malha.Lab.Running;
using Malha.Lab.Scenarios;
using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Shares;

/// <summary>Who shares the service with whom.</summary>
internal enum Sharing
{
    /// <summary>Nobody stands before the service.</summary>
    Open = 0,

    /// <summary>Malha's limit, with everybody in one class.</summary>
    OneClass = 1,

    /// <summary>Malha's limit, with classes.</summary>
    Classes = 2,
}

/// <summary>What the two clients got in one run.</summary>
internal sealed record SharesRun(Tally Critical, Tally Batch)
{
    public const int FloodAt = 20;
    public const int FloodSeconds = 30;
    public const int End = 80;
    public const double CriticalRate = 50;
    public const double BatchRate = 950;
    private const double UsualBatchRate = 50;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    public double CriticalShare => Critical.Share(FloodAt, FloodAt + FloodSeconds);

    public double BatchPerSecond => Batch.GoodPerSecond(FloodAt, FloodAt + FloodSeconds);

    public double CriticalP99 => Critical.LatencyMs(.99, FloodAt, FloodAt + FloodSeconds);

    public double Recovery => Critical.RecoveryAfter(FloodAt + FloodSeconds, .95);

    /// <summary>Ten workers of 50 ms: 200/s.</summary>
    public static SharesRun Run(Sharing sharing, ulong seed)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var service = new SimulatedService(time, 10, () => TimeSpan.FromMilliseconds(50));
        var admission = sharing == Sharing.Classes ? SpikeScenario.Classes : new AdmissionOptions();
        var gateway = new Gateway(time, new GatewaySetup { Admission = admission, Retry = new RetryOptions { Attempts = 1 } }, chance.Fork());
        var run = new SharesRun(new Tally(End), new Tally(End));
        double Flood(double now) => now is >= FloodAt and < FloodAt + FloodSeconds ? BatchRate : UsualBatchRate;
        time.Arrivals(chance.Fork(), _ => CriticalRate, End, Client(run.Critical, 0));
        time.Arrivals(chance.Fork(), Flood, End, Client(run.Batch, sharing == Sharing.Classes ? 2 : 0));
        time.RunUntil(End + 2);
        return run;

        Action Client(Tally tally, int shareClass) => sharing == Sharing.Open
            ? new BlindCaller(time, tally, service.Call, Patience, 0).Ask
            : () => WaitingClient.Ask(time, tally, gateway, service.Call, Patience, 0, shareClass);
    }
}

/// <summary>A batch client floods a service that a critical client needs.</summary>
internal sealed class SharesExperiment : Experiment
{
    private const int Seeds = 5;
    private const double CriticalAtLeast = .994;
    private const double NaiveAtMost = .5;

    private static readonly (Sharing Sharing, string Name, Tone Tone)[] Arms =
    [
        (Sharing.Open, "without Malha", Tone.Naive),
        (Sharing.OneClass, "Malha, everybody alike", Tone.Third),
        (Sharing.Classes, "Malha, with classes", Tone.Malha),
    ];

    public override string Name => "shares";

    public override string Title => "A flood of unimportant calls beside important ones";

    public override string Why =>
        "A service does not know whose call matters. When a nightly job or a client gone wild asks for five times what it can do, everybody waits behind it. A limit on what is let through keeps the service "
        + "healthy, but refuses the important and the unimportant alike. With classes each has a guaranteed share of the service, lends what it does not use, and gets it back "
        + "within one call's time.";

    public override string Setup =>
        "A service of ten workers that each take 50 ms (200/s), whose capacity nobody told Malha. A critical client asks for 50/s all the time; a batch client for 50/s, and from second 20 to 50 for 950/s. Each "
        + "call waits at most 1 s. Critical has 50 % of the service's concurrency, standard 40 %, batch 10 %; batch lends all of it, and borrows what the others leave. Five seeds.";

    public override Func<Findings> Plan(ExperimentPlan plan, ulong seed)
    {
        var runs = Arms.Select(arm => plan.AddAll(Enumerable.Range(0, Seeds).Select(i => (Func<SharesRun>)(() => SharesRun.Run(arm.Sharing, seed + (ulong)i))))).ToList();
        return () => Conclude(runs.ConvertAll(arm => arm.Select(run => run.Value).ToList()));
    }

    private static Findings Conclude(List<List<SharesRun>> arms)
    {
        var worst = arms[2].Min(run => run.CriticalShare);
        var naive = arms[0].Max(run => run.CriticalShare);
        var passed = worst >= CriticalAtLeast && naive <= NaiveAtMost;
        var reason = FormattableString.Invariant(
            $"During the flood at least {100 * worst:0.0} % of the critical calls are answered with classes, in each of {Seeds} seeds (asked: 99.4 %), and at most {100 * naive:0.0} % without Malha.");
        var rows = Arms.Select((arm, i) => (IReadOnlyList<Cell>)
        [
            arm.Name,
            i == 2 ? Cell.Share(arms[i].Min(run => run.CriticalShare)).Judged(worst >= CriticalAtLeast) : Cell.Share(arms[i].Min(run => run.CriticalShare)),
            Cell.Number(arms[i].Average(run => run.CriticalP99), 0, " ms"),
            Cell.Number(arms[i].Average(run => run.BatchPerSecond)),
            Cell.Number(arms[i].Max(run => run.Recovery), 0, " s"),
        ]).ToList();
        var table = new FigureTable(
            "During the flood (worst seed for the share and the time, mean for the others)",
            ["", "critical answered", "critical, p99", "batch answered per s", "critical good again after"],
            rows);
        return new Findings(
            new Verdict(passed, reason),
            [table],
            [Draw("Critical calls answered per second, of 50 asked", arms, run => run.Critical), Draw("Batch calls answered per second", arms, run => run.Batch)]);
    }

    private static Plot Draw(string title, List<List<SharesRun>> arms, Func<SharesRun, Tally> tally) => new(
        title,
        "seconds",
        "per second",
        Arms.Select((arm, i) => Series.PerSecond(arm.Name, arm.Tone, tally(arms[i][0]).Good.Take(SharesRun.End).Select(good => (double)good))).ToList())
    {
        Bands = [new Band(SharesRun.FloodAt, SharesRun.FloodAt + SharesRun.FloodSeconds, "batch floods")],
    };
}
