using Malha.Lab.Reports;
using Malha.Lab.Running;
using Malha.Lab.Scenarios;

namespace Malha.Lab.Metastability;

/// <summary>
/// S1 to S12: a trigger pushes a service over, and the load keeps it down after the trigger has gone. Each naive arm must fail, else the scenario proves
/// nothing; each of Malha's must pass; for twenty seeds.
/// </summary>
internal sealed class MetastabilityExperiment : Experiment
{
    private const int Seeds = 20;
    private static readonly Arm[] Arms = [Arm.Naive, Arm.Malha];

    public override string Name => "metastability";

    public override string Title => "Outages that outlast their cause";

    public override string Why =>
        "The worst outages begin with something small: a pause of three seconds, a cache that is flushed, a restart. It passes, and the service stays down, because what its callers do now (retry, wait in a queue "
        + "too long, come back all at once) is more than it can bear. Nothing is broken any more, and still somebody has to take the load away by hand. Each of Malha's policies closes one of these loops.";

    public override string Setup =>
        "Twelve scenarios, each without Malha (it must fail, else the scenario proves nothing) and with it, for 20 seeds. Unless it says otherwise the service has eight workers of 40 ms on average (200/s) and an unbounded "
        + "queue, and works off what was asked even when the asker has gone; calls come at random, wait 500 ms for each attempt, and have four.";

    public override Func<Findings> Plan(ExperimentPlan plan, ulong seed)
    {
        // By seed and then by scenario, so that the long ones are not all at the end.
        var runs = ScenarioInfo.All.Select(_ => Arms.Select(_ => new List<Pending<ScenarioResult>>()).ToList()).ToList();
        for (var i = 0UL; i < Seeds; i++)
        {
            var one = unchecked(seed + i);
            for (var s = 0; s < ScenarioInfo.All.Count; s++)
            {
                var scenario = ScenarioInfo.All[s].Scenario;
                for (var a = 0; a < Arms.Length; a++)
                {
                    var arm = Arms[a];
                    runs[s][a].Add(plan.Add(() => scenario.Run(arm, one)));
                }
            }
        }

        return () => Conclude(ScenarioInfo.All.Select((info, s) => new Outcome(info, Values(runs[s][0]), Values(runs[s][1]))).ToList());

        static List<ScenarioResult> Values(List<Pending<ScenarioResult>> pending) => pending.ConvertAll(one => one.Value);
    }

    private static Findings Conclude(List<Outcome> outcomes)
    {
        var bad = outcomes.Where(outcome => !outcome.Holds).ToList();
        var reason = bad.Count == 0
            ? FormattableString.Invariant($"In all {outcomes.Count} scenarios the naive arm fails and Malha passes, for each of {Seeds} seeds.")
            : FormattableString.Invariant($"{outcomes.Count - bad.Count} of {outcomes.Count} scenarios hold for all {Seeds} seeds; not ") + string.Join("; ", bad.Select(outcome => outcome.Complaint())) + ".";
        return new Findings(
            new Verdict(bad.Count == 0, reason),
            [Summary(outcomes), Measured(outcomes)],
            outcomes.Where(outcome => outcome.Info.What is not null && outcome.Malha[0].Asked.Count > 0).Select(Draw).ToList());
    }

    private static FigureTable Summary(List<Outcome> outcomes) => new(
        FormattableString.Invariant($"Verdicts of {Seeds} seeds"),
        ["", "what happens", "without Malha", "fails", "Malha passes"],
        outcomes.Select(outcome => (IReadOnlyList<Cell>)
        [
            outcome.Info.Scenario.Name,
            outcome.Info.Title,
            outcome.Info.Naive,
            new Cell(FormattableString.Invariant($"{outcome.NaiveFails} of {Seeds}"), outcome.NaiveFails).Judged(outcome.NaiveFails == Seeds),
            new Cell(FormattableString.Invariant($"{outcome.MalhaPasses} of {Seeds}"), outcome.MalhaPasses).Judged(outcome.MalhaPasses == Seeds),
        ]).ToList())
    {
        TextColumns = 3,
    };

    private static FigureTable Measured(List<Outcome> outcomes) => new(
        "What was measured: mean without Malha, mean and worst seed with it, and what is asked",
        ["", "measured", "without", "Malha, mean", "worst", "asked"],
        outcomes.SelectMany(outcome => outcome.Malha[0].Checks.Select((check, i) =>
        {
            var malha = outcome.Malha.Select(run => run.Checks[i].Measured).ToList();
            var worst = check.IsAtLeast ? malha.Min() : malha.Max();
            return (IReadOnlyList<Cell>)
            [
                outcome.Info.Scenario.Name,
                check.What,
                Cell.Number(outcome.Naive.Average(run => run.Checks[i].Measured), 2),
                Cell.Number(malha.Average(), 2),
                Cell.Number(worst, 2).Judged(outcome.Malha.TrueForAll(run => run.Checks[i].Holds)),
                (check.IsAtLeast ? "≥ " : "≤ ") + Cell.Number(check.Bound, check.Bound == Math.Floor(check.Bound) ? 0 : 3).Text,
            ];
        })).ToList())
    {
        TextColumns = 2,
    };

    private static Plot Draw(Outcome outcome) => new(
        outcome.Info.Scenario.Name + ": " + outcome.Info.Title,
        "seconds",
        outcome.Info.What!,
        [
            Line("asked", Tone.Reference, outcome.Malha[0].Asked),
            Line("without Malha", Tone.Naive, outcome.Naive[0].Good),
            Line("with Malha", Tone.Malha, outcome.Malha[0].Good),
        ])
    {
        Bands = outcome.Info.Trigger is { } trigger ? [new Band(trigger.From, trigger.To, "trigger")] : [],
    };

    // The last entry collects what came at the very end, and is no whole second.
    private static Series Line(string name, Tone tone, IReadOnlyList<int> values) => Series.PerSecond(name, tone, values.Take(values.Count - 1).Select(value => (double)value));

    private sealed record Outcome(ScenarioInfo Info, List<ScenarioResult> Naive, List<ScenarioResult> Malha)
    {
        public int NaiveFails => Naive.Count(run => !run.Passed);

        public int MalhaPasses => Malha.Count(run => run.Passed);

        public bool Holds => NaiveFails == Naive.Count && MalhaPasses == Malha.Count;

        public string Complaint()
        {
            if (MalhaPasses == Malha.Count)
                return FormattableString.Invariant($"{Info.Scenario.Name}, whose naive arm fails for {NaiveFails} only");
            var check = Malha.First(run => !run.Passed).Checks.Select((one, i) => (one, i)).First(pair => Malha.Exists(run => !run.Checks[pair.i].Holds));
            var mean = Malha.Average(run => run.Checks[check.i].Measured);
            return FormattableString.Invariant(
                $"{Info.Scenario.Name}, which passes for {MalhaPasses} ({check.one.What}: {mean:0.00} on average where {(check.one.IsAtLeast ? "at least" : "at most")} {check.one.Bound:0.###} is asked)");
        }
    }
}
