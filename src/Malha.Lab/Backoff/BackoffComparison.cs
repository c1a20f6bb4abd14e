using Malha.Lab.Reports;
using Malha.Lab.Running;
using Malha.Resilience;

namespace Malha.Lab.Backoff;

/// <summary>AWS's table, measured anew beside what was published; and plain linear back-off, which the table leaves out.</summary>
internal sealed class BackoffComparison : Experiment
{
    /// <summary>A reimplementation's mean lies within three standard errors of the difference in 99.7 % of all cells.</summary>
    private const double Usual = 3;

    /// <summary>Of 60 figures, each two from the same trials, a pair beyond <see cref="Usual"/> turns up for one seed in ten.</summary>
    private const int BeyondUsual = 2;

    /// <summary>Beyond this none is by chance.</summary>
    private const double Most = 4.5;

    /// <summary>As many trials as were published, four times: so that the chance in our own figures counts little.</summary>
    private const int Times = 4;

    private static readonly int[] Clients = [10, 20, 30, 40, 50, 100];

    private static readonly (BackoffKind Kind, string Name, Tone Tone, (double Calls, double Ms)[]? Published)[] Strategies =
    [
        (BackoffKind.None, "none", Tone.Naive, [(51.0, 379), (151.8, 601), (288.3, 780), (465.1, 953), (689.6, 1143), (2432, 2022)]),
        (BackoffKind.Linear, "linear", Tone.Reference, null),
        (BackoffKind.Exponential, "exponential", Tone.Third, [(50.8, 3436), (149.9, 14490), (272.8, 21652), (440.3, 29914), (622.2, 36504), (1863, 63649)]),
        (BackoffKind.EqualJitter, "equal jitter", Tone.Fourth, [(42.7, 761), (108.0, 1657), (181.7, 2548), (261.4, 3408), (346.9, 4250), (810, 6604)]),
        (BackoffKind.DecorrelatedJitter, "decorrelated jitter", Tone.Fifth, [(37.7, 446), (101.2, 834), (180.1, 1234), (271.6, 1632), (376.6, 2144), (1010, 4414)]),
        (BackoffKind.ExponentialJitter, "full jitter", Tone.Malha, [(39.0, 469), (100.1, 1025), (172.3, 1779), (249.8, 2199), (332.7, 2862), (796, 4818)]),
    ];

    public override string Name => "backoff";

    public override string Title => "How long to wait before trying again";

    public override string Why =>
        "Clients that failed together and try again at once, or wait equally long, come back together and fail together again: doubling the pause alone only moves the collision, and takes longest of all. "
        + "Drawing the pause at random spreads them: a third of the calls of trying again at once, in a thirteenth of the time of plain doubling. Malha's default is full jitter: any pause between nothing and a bound "
        + "that doubles.";

    public override string Setup =>
        "The comparison that AWS published: so many clients want to change one row at once. Each reads it and writes with the version that it read; when another was quicker it backs off and starts "
        + "again (base 5 ms, cap 2 s). Counted are the writes that were tried and the time until the last client is done, as means of 400 trials (120 with 100 clients), beside AWS's own figures, which are means "
        + "of a quarter as many.";

    public override Func<Findings> Plan(ExperimentPlan plan, ulong seed)
    {
        var chance = new Chance(seed);
        var cells = Strategies.Select(strategy => plan.AddAll(Clients.Select(clients => Trial(strategy.Kind, clients, chance.NextBits())))).ToList();
        return () => Conclude(cells.ConvertAll(row => row.Select(cell => cell.Value).ToList()));

        static Func<BackoffSummary> Trial(BackoffKind kind, int clients, ulong seed) => () => BackoffExperiment.Summarize(kind, clients, Trials(clients), seed);
    }

    private static int Trials(int clients) => Times * (clients == 100 ? 30 : 100);

    private static Findings Conclude(List<List<BackoffSummary>> measured)
    {
        var deviations = new List<double>();
        for (var s = 0; s < Strategies.Length; s++)
        {
            for (var c = 0; c < Clients.Length && Strategies[s].Published is { } published; c++)
            {
                deviations.Add(Deviation(measured[s][c].Calls, published[c].Calls, measured[s][c].CallsError));
                deviations.Add(Deviation(measured[s][c].Ms, published[c].Ms, measured[s][c].MsError));
            }
        }

        var beyond = deviations.Count(deviation => deviation > Usual);
        var ratio = measured[^1][^1].Calls / measured[2][^1].Calls;
        var agrees = beyond <= BeyondUsual && deviations.Max() <= Most;
        var reason = FormattableString.Invariant(
            $"With 100 clients full jitter needs {ratio:0.00} of the calls of plain exponential back-off (at most 0.50 is asked), and ")
            + FormattableString.Invariant($"{deviations.Count - beyond} of {deviations.Count} figures lie within 3 standard errors of AWS's, the farthest at {deviations.Max():0.0}")
            + (agrees ? "." : ": that is more than chance explains.");
        return new Findings(
            new Verdict(agrees && ratio <= .5, reason),
            [Table("Calls until all have written", measured, cell => (cell.Calls, cell.CallsError), one => one.Calls), Table("Milliseconds until the last has written", measured, cell => (cell.Ms, cell.MsError), one => one.Ms)],
            [Draw("Calls until all have written", "calls", measured, cell => cell.Calls), Draw("Time until the last has written", "ms", measured, cell => cell.Ms)]);
    }

    /// <summary>The published mean is one of fewer trials, with a standard error √4 as large as ours. Published figures are rounded.</summary>
    private static double Deviation(double measured, double published, double error) =>
        Math.Max(0, Math.Abs(measured - published) - .5) / (Math.Sqrt(1 + Times) * error);

    private static FigureTable Table(string caption, List<List<BackoffSummary>> measured, Func<BackoffSummary, (double Mean, double Error)> value, Func<(double Calls, double Ms), double> published)
    {
        var rows = Strategies.Select((strategy, s) => (IReadOnlyList<Cell>)
        [
            strategy.Name,
            .. Clients.Select((_, c) =>
            {
                var (mean, error) = value(measured[s][c]);
                var cell = Cell.Number(mean);
                if (strategy.Published is not { } table)
                    return cell;
                var expected = published(table[c]);
                var text = FormattableString.Invariant($"{mean:#,0} ({expected:#,0})");
                return cell with { Text = text, Mark = Deviation(mean, expected, error) <= Usual ? Mark.None : Mark.Bad };
            }),
        ]).ToList();
        return new FigureTable(caption + ", by number of clients (in brackets: published by AWS)", ["back-off", .. Clients.Select(clients => FormattableString.Invariant($"{clients}"))], rows);
    }

    private static Plot Draw(string title, string unit, List<List<BackoffSummary>> measured, Func<BackoffSummary, double> value) => new(
        title,
        "clients",
        unit,
        Strategies.Select((strategy, s) => Series.Of(strategy.Name, strategy.Tone, Clients.Select((clients, c) => ((double)clients, value(measured[s][c]))))).ToList())
    {
        LogY = true,
    };
}
