using System.Globalization;
using Malha.Lab.Reports;
using Malha.Lab.Running;
using Malha.Lab.Scenarios;
using Malha.Resilience;

namespace Malha.Lab.Breaker;

/// <summary>Every state of the breaker, and the ramp.</summary>
internal sealed class BreakerExperiment : Experiment
{
    /// <summary>Of the calls that come while the service fails: what it takes to find out, and the probes.</summary>
    private const double FailingAtMost = .05;
    private static readonly Arm[] Arms = [Arm.Naive, Arm.Malha];

    public override string Name => "breaker";

    public override string Title => "Stop asking what cannot answer, and let it back slowly";

    public override string Why =>
        "Calls to a service that is broken help nobody: the caller waits for its timeout, and the service is kept from coming back by calls that nobody waits for any more. A breaker sees that it fails, "
        + "refuses at once for a while (open), then lets a few calls through to find out (half-open). When most of these succeed it closes; but not at once: a service that has just started has cold caches, "
        + "so that a tenth of the calls pass first, then more (the ramp). Malha's also counts slow calls that are still in flight, so that a service that hangs is seen before the first timeout.";

    public override string Setup =>
        "One service at half of what it can do (100/s of 200/s). From second 20 to 35 it answers with errors at once. From second 110 to 125 it answers nothing, and then is cold: from a fifth of its speed to all of "
        + "it in 10 s. Callers wait at most 10 s and do not retry. With Malha a breaker stands between, with a slow threshold of 1 s and everything else as it comes; nothing else of Malha does. The price of a breaker can be "
        + "seen too: once the service is well, it takes up to the rest of the open time to find out, which doubles while probes fail.";

    public override Func<Findings> Plan(ExperimentPlan plan, ulong seed)
    {
        var runs = plan.AddAll(Arms.Select(arm => (Func<BreakerRun>)(() => BreakerRun.Run(arm, seed))));
        return () => Conclude(runs[0].Value, runs[1].Value);
    }

    private static Findings Conclude(BreakerRun naive, BreakerRun malha)
    {
        var failing = malha.SentTo(BreakerRun.FailsAt, BreakerRun.FailsFor) / naive.SentTo(BreakerRun.FailsAt, BreakerRun.FailsFor);
        var hanging = malha.SentTo(BreakerRun.HangsAt, BreakerRun.HangsFor) / naive.SentTo(BreakerRun.HangsAt, BreakerRun.HangsFor);
        var (first, second) = (Walk(malha, 0, BreakerRun.HangsAt), Walk(malha, BreakerRun.HangsAt, BreakerRun.End));
        var saw = malha.Transitions.Where(move => move.Rule == BreakerRule.SlowRatio && move.To == BreakerState.Open).Select(move => Second(move) - BreakerRun.HangsAt).FirstOrDefault(double.PositiveInfinity);
        var sawInTime = saw < BreakerRun.AttemptTimeout.TotalSeconds;
        var back = malha.Tally.Share(BreakerRun.End - 20, BreakerRun.End - 1);
        var passed = first && second && sawInTime && failing <= FailingAtMost && hanging < 1 && back >= .99;
        var reason = FormattableString.Invariant(
            $"It went through closed, open, half-open and the ramp back to closed {(first && second ? "both times" : "NOT both times")}, sent the failing service {100 * failing:0.0} % of the calls that it gets without a breaker (at most 5 % is asked)")
            + FormattableString.Invariant($", saw after {Cell.Number(saw, 1, " s").Text} that it hangs (asked: before the first timeout, at 10 s), and in the end {100 * back:0.0} % are answered.");
        return new Findings(new Verdict(passed, reason), [Compare(naive, malha), Moves(malha)], [Share(malha), Attempts(naive, malha), Good(naive, malha)]);
    }

    /// <summary>Closed to open, to half-open (as often as probes fail), to the ramp, to closed, within a stretch of time.</summary>
    private static bool Walk(BreakerRun run, int from, int to)
    {
        var moves = run.Transitions.Where(move => Second(move) >= from && Second(move) < to).Select(move => move.To).ToList();
        var needed = new Queue<BreakerState>([BreakerState.Open, BreakerState.HalfOpen, BreakerState.Ramping, BreakerState.Closed]);
        foreach (var state in moves)
        {
            if (needed.Count > 0 && state == needed.Peek())
                needed.Dequeue();
        }

        return needed.Count == 0 && moves[^1] == BreakerState.Closed;
    }

    private static double Second(in BreakerTransition move) => move.At.Ticks / (double)TimeSpan.TicksPerSecond;

    private static FigureTable Compare(BreakerRun naive, BreakerRun malha)
    {
        return new FigureTable(
            "What the breaker spares",
            ["", "no breaker", "Malha's breaker"],
            [
                Row("calls sent while it fails", run => Cell.Number(run.SentTo(BreakerRun.FailsAt, BreakerRun.FailsFor))),
                Row("calls sent while it hangs", run => Cell.Number(run.SentTo(BreakerRun.HangsAt, BreakerRun.HangsFor))),
                Row("wait for a failure while it hangs, mean", run => Cell.Number(run.MeanWait(BreakerRun.HangsAt, BreakerRun.HangsFor), 0, " ms")),
                Row("good again after the errors", run => Cell.Number(run.Tally.RecoveryAfter(BreakerRun.FailsAt + BreakerRun.FailsFor, .95), 0, " s")),
                Row("good again after the hang and the cold start", run => Cell.Number(run.Tally.RecoveryAfter(BreakerRun.HangsAt + BreakerRun.HangsFor, .95), 0, " s")),
            ]);

        IReadOnlyList<Cell> Row(string what, Func<BreakerRun, Cell> cell) => [what, cell(naive), cell(malha)];
    }

    private static FigureTable Moves(BreakerRun run) => new(
        "Every change of state",
        ["from", "to", "because of", "second", "measured", "limit", "open for"],
        run.Transitions.Select(move => (IReadOnlyList<Cell>)
        [
            Word(move.From),
            Word(move.To),
            move.Rule == BreakerRule.None ? "" : Rule(move.Rule),
            Cell.Number(Second(move), 2),
            move.To == BreakerState.Open ? Cell.Number(move.Observed, 2) : "",
            move.To == BreakerState.Open ? Cell.Number(move.Limit, 2) : "",
            move.To == BreakerState.Open ? Cell.Number(move.OpenFor.TotalSeconds, 1, " s") : "",
        ]).ToList())
    {
        TextColumns = 3,
    };

    private static string Word(BreakerState state) => state == BreakerState.HalfOpen ? "half-open" : state.ToString().ToLower(CultureInfo.InvariantCulture);

    private static string Rule(BreakerRule rule) => rule switch
    {
        BreakerRule.Consecutive => "failures in a row",
        BreakerRule.FailureRatio => "share of failures",
        BreakerRule.SlowRatio => "share of slow calls, those in flight counted",
        BreakerRule.Probes => "probes",
        _ => rule.ToString().ToLower(CultureInfo.InvariantCulture),
    };

    private static Band[] Bands =>
    [
        new Band(BreakerRun.FailsAt, BreakerRun.FailsAt + BreakerRun.FailsFor, "it fails"),
        new Band(BreakerRun.HangsAt, BreakerRun.HangsAt + BreakerRun.HangsFor, "it hangs"),
    ];

    private static Plot Share(BreakerRun malha) => new(
        "Share of the calls that the breaker lets pass: closed, open, half-open, ramp", "seconds", "share", [Series.Of("with Malha", Tone.Malha, malha.PassingShare) with { Steps = true }])
    {
        Bands = Bands,
        YMax = 1.05,
    };

    private static Plot Attempts(BreakerRun naive, BreakerRun malha) => new(
        "Calls that reach the service, per second", "seconds", "per second", [Line("no breaker", Tone.Naive, naive.Tally.Attempts), Line("with Malha", Tone.Malha, malha.Tally.Attempts)])
    {
        Bands = Bands,
    };

    private static Plot Good(BreakerRun naive, BreakerRun malha) => new(
        "Calls answered well, per second", "seconds", "per second", [Line("no breaker", Tone.Naive, naive.Tally.Good), Line("with Malha", Tone.Malha, malha.Tally.Good)])
    {
        Bands = Bands,
    };

    private static Series Line(string name, Tone tone, int[] values) => Series.PerSecond(name, tone, values.Take(BreakerRun.End).Select(value => (double)value));
}
