using Malha.Lab.Reports;
using Malha.Lab.Running;
using Malha.Lab.Scenarios;
using Malha.Lab.Simulation;

namespace Malha.Lab.RetryStorm;

/// <summary>Retries that become the outage, and the budget that keeps them from it.</summary>
internal sealed class RetryStormExperiment : Experiment
{
    private const int Over = StormRun.StallAt + StormRun.StallSeconds;
    private const double LayersAtMost = 1.35;
    private const double BudgetAtMost = 1.12;
    private const double GoodAtLeast = .95;

    /// <summary>A second is good with nine tenths of its calls: a trial of the limit may cost one some of them.</summary>
    private const double GoodSecond = .9;
    private static readonly Arm[] LayerArms = [Arm.Naive, Arm.Malha];
    private static readonly double[] Failing = [.1, .3, .5, .7, .9, 1];

    private static readonly (Retrying Retrying, string Name, Tone Tone)[] Arms =
    [
        (Retrying.Blind, "three retries at once", Tone.Naive),
        (Retrying.Jitter, "three retries with jitter, no budget", Tone.Fourth),
        (Retrying.Never, "no retries", Tone.Reference),
        (Retrying.Budget, "the budget alone", Tone.Third),
        (Retrying.Malha, "Malha as it comes", Tone.Malha),
    ];

    public override string Name => "retry-storm";

    public override string Title => "Retries that become the outage";

    public override string Why =>
        "A retry helps when one call in a hundred fails, and harms when all do: three retries make four calls of each, just when the service can bear least; and three layers that each try three times make 27. "
        + "After a pause of a few seconds the queue of calls that nobody waits for any more keeps every new one from being answered in time, so that it is retried too: the service stays down at a load that it "
        + "could easily bear. Jitter spreads the calls but does not make them fewer. A budget does: each first attempt that succeeds earns a tenth of a retry, and one a second is always there.";

    public override string Setup =>
        "First: a service that fails a share of its calls; how many attempts come of each request (200/s). Second: three layers, three attempts each, over a leaf that fails. Third: a service of 200/s at 140/s stands still "
        + "for 3 s at second 30; its queue is unbounded and it works off what was asked even when the asker has gone, callers wait 500 ms for each of four attempts.";

    public override Func<Findings> Plan(ExperimentPlan plan, ulong seed)
    {
        var blind = plan.AddAll(Failing.Select(x => Amplification(Retrying.Blind, x)));
        var budget = plan.AddAll(Failing.Select(x => Amplification(Retrying.Budget, x)));
        var layers = plan.AddAll(LayerArms.Select(arm => (Func<ScenarioResult>)(() => new LayersScenario().Run(arm, seed))));
        var storms = plan.AddAll(Arms.Select(arm => (Func<Tally>)(() => StormRun.Stall(arm.Retrying, seed))));
        return () => Conclude(
            blind.Select(run => run.Value.Value).ToList(),
            budget.Select(run => run.Value.Value).ToList(),
            layers.Select(run => run.Value.Checks[0].Measured).ToList(),
            storms.Select(run => run.Value).ToList());

        Func<Measured> Amplification(Retrying retrying, double failing) => () => new Measured(StormRun.Amplification(retrying, failing, seed));
    }

    private static Findings Conclude(List<double> blind, List<double> budget, List<double> layers, List<Tally> storms)
    {
        var (naive, malha) = (storms[0].RecoveryAfter(Over, GoodSecond), storms[^1].RecoveryAfter(Over, GoodSecond));
        var goodput = storms[^1].Share(Over + 10, StormRun.End);
        var attempts = AttemptsAfter(storms[^1]);
        var passed = double.IsPositiveInfinity(naive) && malha <= 10 && goodput >= GoodAtLeast && attempts <= BudgetAtMost && budget.Max() <= BudgetAtMost && layers[1] <= LayersAtMost;
        var reason = FormattableString.Invariant(
            $"With three blind retries the service {(double.IsFinite(naive) ? "recovers" : "never recovers")} from a stall of 3 s; with Malha it is good again after {Cell.Number(malha, 0, " s").Text} (asked: 10), and from then on {100 * goodput:0.0} % are answered")
            + FormattableString.Invariant($", no failure rate makes more than {budget.Max():0.00} attempts of a request (asked: {BudgetAtMost}), and three layers make {layers[1]:0.00} (asked: {LayersAtMost}; blind: {layers[0]:0.0}).");
        return new Findings(new Verdict(passed, reason), [Amplification(blind, budget), Layers(layers), Storm(storms)], [Curve(blind, budget), Good(storms), Attempts(storms)]);
    }

    private static double AttemptsAfter(Tally tally) => tally.AttemptsPerSecond(Over + 10, StormRun.End) / tally.AskedPerSecond(Over + 10, StormRun.End);

    /// <summary>1 + x + x² + x³.</summary>
    private static double Formula(double failing) => Enumerable.Range(0, StormRun.Attempts).Sum(attempt => Math.Pow(failing, attempt));

    private static FigureTable Amplification(List<double> blind, List<double> budget) => new(
        "Attempts per request, by the share of calls that fail",
        ["failing", "three blind retries", "by the formula (1 − x⁴)/(1 − x)", "with the budget"],
        Failing.Select((x, i) => (IReadOnlyList<Cell>)
        [
            Cell.Share(x, 0), Cell.Number(blind[i], 3), Cell.Number(Formula(x), 3), Cell.Number(budget[i], 3).Judged(budget[i] <= BudgetAtMost),
        ]).ToList());

    private static FigureTable Layers(List<double> layers) => new(
        "Calls of a failing leaf per request through three layers of three attempts",
        ["", "calls per request"],
        [["blind", Cell.Number(layers[0], 2)], ["each layer with a budget", Cell.Number(layers[1], 2).Judged(layers[1] <= LayersAtMost)]]);

    private static FigureTable Storm(List<Tally> storms) => new(
        "After a stall of 3 s at 70 % load",
        ["callers", "good again after", "answered from 10 s on", "attempts per request from 10 s on"],
        Arms.Select((arm, i) => (IReadOnlyList<Cell>)
        [
            arm.Name,
            Cell.Number(storms[i].RecoveryAfter(Over, GoodSecond), 0, " s"),
            Cell.Share(storms[i].Share(Over + 10, StormRun.End)),
            Cell.Number(AttemptsAfter(storms[i]), 2),
        ]).ToList());

    private static Plot Curve(List<double> blind, List<double> budget) => new(
        "Attempts per request, by the share of calls that fail",
        "share that fails",
        "attempts",
        [
            Series.Of("formula", Tone.Reference, Enumerable.Range(0, 51).Select(i => (i / 50.0, Formula(i / 50.0)))),
            Series.Of("three blind retries", Tone.Naive, Failing.Zip(blind)),
            Series.Of("with the budget", Tone.Malha, Failing.Zip(budget)),
        ])
    {
        YMax = 4.2,
    };

    private static Plot Good(List<Tally> storms) => Draw("Requests answered in time, per second of 140", storms, tally => tally.Good);

    private static Plot Attempts(List<Tally> storms) => Draw("Attempts that reach the service, per second", storms, tally => tally.Attempts);

    private static Plot Draw(string title, List<Tally> storms, Func<Tally, int[]> values) => new(
        title,
        "seconds",
        "per second",
        Arms.Select((arm, i) => Series.PerSecond(arm.Name, arm.Tone, values(storms[i]).Take(StormRun.End).Select(value => (double)value))).ToList())
    {
        Bands = [new Band(StormRun.StallAt, Over, "stall")],
    };

    private sealed record Measured(double Value);
}
