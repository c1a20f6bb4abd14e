using Malha.Lab.Reports;
using Malha.Lab.Running;
using Malha.Lab.Scenarios;

namespace Malha.Lab.Domino;

/// <summary>One slow service at the end of a row, and what becomes of those before it.</summary>
internal sealed class DominoExperiment : Experiment
{
    /// <summary>Until the breaker before payments has opened, the limits before it take pages that take longer for a queue, and refuse some.</summary>
    private const double OthersAtLeast = .9;
    private const double NaiveAtMost = .5;
    private const int From = DominoRun.SlowAt + 2;
    private const int To = DominoRun.SlowAt + DominoRun.SlowSeconds;
    private static readonly Arm[] Arms = [Arm.Naive, Arm.Malha];

    public override string Name => "domino";

    public override string Title => "One slow service takes down those before it";

    public override string Why =>
        "A service that waits for a slow one holds a worker for each call that waits. Soon all of its workers wait, and it is down too, for pages that never needed the slow service; and so is whoever "
        + "calls it. A slow service does more harm than a dead one. Malha gives each call a deadline that travels with it, bounds how many calls may wait for one service, sees that they are slow while "
        + "they are still in flight, and then refuses at once what could not be answered anyway: the rest of the site hardly notices.";

    public override string Setup =>
        "A shop front calls an order service, which calls a payment service. Half of the pages need the front alone (100/s), a quarter orders too (50/s), a quarter payments as well (50/s). From second 30 to "
        + "60 the payment service, and nothing else, takes forty times as long. A page is good when it comes within 2 s. Without Malha each service waits up to 30 s for the next one; with Malha each has a "
        + "sidecar: 2 s for a page, 1 s for orders, 500 ms for payments and a breaker with a slow threshold of 250 ms before it; everything else as it comes. A service that is told 503 passes it on.";

    public override Func<Findings> Plan(ExperimentPlan plan, ulong seed)
    {
        var runs = plan.AddAll(Arms.Select(arm => (Func<DominoRun>)(() => DominoRun.Run(arm, seed))));
        return () => Conclude(runs[0].Value, runs[1].Value);
    }

    private static Findings Conclude(DominoRun naive, DominoRun malha)
    {
        var (front, orders) = (malha.FrontPages.Share(From, To), malha.OrderPages.Share(From, To));
        var naiveFront = naive.FrontPages.Share(From, To);
        var passed = front >= OthersAtLeast && orders >= OthersAtLeast && naiveFront <= NaiveAtMost && double.IsFinite(malha.Recovery());
        var reason = FormattableString.Invariant(
            $"While payments is slow, {100 * front:0.0} % of the pages that do not need it are answered with Malha and {100 * naiveFront:0.0} % without (asked: at least 90 % and, to prove that there is something to protect from, at most 50 %)")
            + FormattableString.Invariant($", and {100 * orders:0.0} % of those that need orders alone.");
        return new Findings(new Verdict(passed, reason), [Table(naive, malha)], [Pages(naive, malha), Payments(naive, malha), Workers(naive, malha)]);
    }

    private static FigureTable Table(DominoRun naive, DominoRun malha) => new(
        "Pages answered within 2 s while payments is slow",
        ["pages that need", "without Malha", "with Malha"],
        [
            ["the front alone", Cell.Share(naive.FrontPages.Share(From, To)), Cell.Share(malha.FrontPages.Share(From, To)).Judged(malha.FrontPages.Share(From, To) >= OthersAtLeast)],
            ["front and orders", Cell.Share(naive.OrderPages.Share(From, To)), Cell.Share(malha.OrderPages.Share(From, To)).Judged(malha.OrderPages.Share(From, To) >= OthersAtLeast)],
            ["front, orders and payments", Cell.Share(naive.PaymentPages.Share(From, To)), Cell.Share(malha.PaymentPages.Share(From, To))],
            ["seconds until all are good again", Cell.Number(naive.Recovery()), Cell.Number(malha.Recovery())],
        ]);

    private static Plot Pages(DominoRun naive, DominoRun malha) => new(
        "Pages that do not need the slow service, answered per second",
        "seconds",
        "per second",
        [PerSecond("without Malha", Tone.Naive, naive), PerSecond("with Malha", Tone.Malha, malha)])
    {
        Bands = [Slow],
    };

    private static Plot Payments(DominoRun naive, DominoRun malha) => new(
        "Pages that need it, answered per second",
        "seconds",
        "per second",
        [
            Series.PerSecond("without Malha", Tone.Naive, naive.PaymentPages.Good.Take(DominoRun.End).Select(good => (double)good)),
            Series.PerSecond("with Malha", Tone.Malha, malha.PaymentPages.Good.Take(DominoRun.End).Select(good => (double)good)),
        ])
    {
        Bands = [Slow],
    };

    private static Plot Workers(DominoRun naive, DominoRun malha) => new(
        "Workers of the shop front that are held, of 32",
        "seconds",
        "workers",
        [Series.PerSecond("without Malha", Tone.Naive, naive.FrontBusy), Series.PerSecond("with Malha", Tone.Malha, malha.FrontBusy)])
    {
        Bands = [Slow],
        YMax = 34,
    };

    private static Series PerSecond(string name, Tone tone, DominoRun run) =>
        Series.PerSecond(name, tone, Enumerable.Range(0, DominoRun.End).Select(second => (double)run.FrontPages.Good[second] + run.OrderPages.Good[second]));

    private static Band Slow => new(DominoRun.SlowAt, DominoRun.SlowAt + DominoRun.SlowSeconds, "payments is slow");
}
