using Malha.Lab.Reports;
using Malha.Lab.Running;
using Malha.Resilience;

namespace Malha.Lab.Limits;

/// <summary>Rate limits, the division of what is scarce, and the caller that holds itself back; against published figures where there are some.</summary>
internal sealed class LimitsExperiment : Experiment
{
    private static readonly (double Limit, TimeSpan Period, int Burst, double Offered, int Seconds)[] Exact =
    [
        (60, TimeSpan.FromSeconds(1), 120, 500, 60),
        (20, TimeSpan.FromSeconds(1), 20, 200, 60),
        (60, TimeSpan.FromMinutes(1), 10, 20, 600),
    ];

    /// <summary>Kubernetes' default priority levels.</summary>
    private static readonly (string Name, double Shares, double Lend, int Nominal, int Minimum)[] Levels =
    [
        ("leader-election", 10, 0, 25, 25),
        ("node-high", 40, .25, 98, 73),
        ("system", 30, .33, 74, 50),
        ("workload-high", 40, .5, 98, 49),
        ("workload-low", 100, .9, 245, 24),
        ("global-default", 20, .5, 49, 24),
        ("catch-all", 5, 0, 13, 13),
    ];

    private static readonly (double K, long Requests, long Accepts, double Published)[] Throttling =
    [
        (2, 1000, 500, 0), (2, 1000, 200, .5994), (2, 1000, 0, .9990), (2, 10, 0, .9091), (1.1, 1000, 500, .4496), (1.1, 1000, 200, .7792),
    ];

    private static readonly bool[] WithoutAndWith = [false, true];
    private static readonly double[] Wants = [1000, 50, 10];
    private static readonly double[] DoormansFair = [60, 50, 10];

    public override string Name => "limits";

    public override string Title => "Who may how much, and how the rest is divided";

    public override string Why =>
        "A rate limit says how much one client may ask for. A counter that starts anew each second lets twice as much pass around the turn of the second, which is when clients that wait for it come; GCRA has no turns: "
        + "it lets the rate and the burst pass, in any second. When several want more than there is, first come, first served gives most to whoever asks most; a fair share gives everybody who asks for little all of it, and divides "
        + "the rest evenly. And a caller that is refused again and again does better to ask less: the throttle sends about twice what is accepted, enough to notice when the service is well again.";

    public override string Setup =>
        "GCRA beside a counter per second, at 100/s with a burst of 20, when calls come just before and just after the turn of the second; and against the number that must pass. Doorman's division of 120 among clients that want 1000, 50 "
        + "and 10. Kubernetes' seats of 600. Google's throttle: its formula, and a service that accepts 20 of 100 calls/s for three minutes.";

    public override Func<Findings> Plan(ExperimentPlan plan, ulong seed)
    {
        var turns = plan.AddAll(WithoutAndWith.Select(gcra => (Func<Passed>)(() => LimitRuns.AroundTheTurn(gcra))));
        var exact = plan.AddAll(Exact.Select(one => (Func<Count>)(() => new Count(LimitRuns.Exact(one.Limit, one.Period, one.Burst, one.Offered, one.Seconds, seed)))));
        var throttled = plan.AddAll(WithoutAndWith.Select(on => (Func<ThrottleRun>)(() => ThrottleRun.Run(on, seed))));
        return () => Conclude(turns[0].Value, turns[1].Value, exact.Select(one => one.Value.Value).ToList(), throttled[0].Value, throttled[1].Value);
    }

    private static Findings Conclude(Passed counter, Passed gcra, List<(int Passed, double Expected)> exact, ThrottleRun open, ThrottleRun throttled)
    {
        var fair = new double[3];
        var proportional = new double[3];
        Resilience.Shares.Fair(120, Wants, fair);
        Resilience.Shares.Proportional(120, Wants, proportional);
        var sum = Levels.Sum(level => level.Shares);
        var seats = Levels.Select(level => Resilience.Shares.Nominal(600, level.Shares, sum)).ToList();
        var minimums = Levels.Select((level, i) => Resilience.Shares.Minimum(seats[i], level.Lend)).ToList();

        (bool Holds, string What)[] checks =
        [
            (gcra.MostInASecond() <= LimitRuns.Limit + LimitRuns.Burst, FormattableString.Invariant($"GCRA lets {gcra.MostInASecond()} pass in the fullest second where a counter lets {counter.MostInASecond()} (limit 100, burst 20)")),
            (counter.MostInASecond() > 1.5 * LimitRuns.Limit, ""),
            (exact.TrueForAll(one => Math.Abs(one.Passed - one.Expected) <= 1), "passes what it must to within one call"),
            (fair.AsSpan().SequenceEqual(DoormansFair), FormattableString.Invariant($"the fair share of 120 is {fair[0]:0.##}/{fair[1]:0.##}/{fair[2]:0.##} (Doorman: 60/50/10)")),
            (Math.Abs(proportional[0] - 69.69072165) < 1e-8, ""),
            (Levels.Select(level => level.Nominal).SequenceEqual(seats) && Levels.Select(level => level.Minimum).SequenceEqual(minimums), "all seats are Kubernetes'"),
            (Array.TrueForAll(Throttling, one => Math.Abs(Throttle.RefusalProbability(one.Requests, one.Accepts, one.K) - one.Published) < 5e-5), "the throttle follows Google's formula"),
            (throttled.SentWhileWeak is >= 35 and <= 45 && throttled.AcceptedWhileWeak >= 19, FormattableString.Invariant($"it sends {throttled.SentWhileWeak:0.0}/s for the 20/s that are accepted instead of {open.SentWhileWeak:0.0}/s")),
        ];
        var told = checks.Where(check => check.What.Length > 0).Select(check => (check.Holds ? "" : "NOT: ") + check.What);
        return new Findings(
            new Verdict(Array.TrueForAll(checks, check => check.Holds), string.Join("; ", told) + "."),
            [Turns(counter, gcra), ExactTable(exact), Doorman(fair, proportional), Seats(seats, minimums), Formula(), ThrottleTable(open, throttled)],
            [DrawTurns(counter, gcra), DrawThrottle(open, throttled)]);
    }

    private static FigureTable Turns(Passed counter, Passed gcra) => new(
        "300 calls around each turn of the second; limit 100/s, burst 20",
        ["", "most in any second", "passed in all"],
        [
            ["a counter per second", Cell.Number(counter.MostInASecond()), Cell.Number(counter.At.Count)],
            ["GCRA", Cell.Number(gcra.MostInASecond()).Judged(gcra.MostInASecond() <= LimitRuns.Limit + LimitRuns.Burst), Cell.Number(gcra.At.Count)],
        ]);

    private static FigureTable ExactTable(List<(int Passed, double Expected)> exact) => new(
        "What passes when far more is asked for: the burst, and the rate for as long as it lasts",
        ["limit", "asked for", "for", "must pass", "passed"],
        Exact.Select((one, i) => (IReadOnlyList<Cell>)
        [
            FormattableString.Invariant($"{one.Limit} per {(one.Period.TotalSeconds > 1 ? "minute" : "second")}, burst {one.Burst}"),
            FormattableString.Invariant($"{one.Offered}/s"),
            FormattableString.Invariant($"{one.Seconds} s"),
            Cell.Number(exact[i].Expected),
            Cell.Number(exact[i].Passed).Judged(Math.Abs(exact[i].Passed - exact[i].Expected) <= 1),
        ]).ToList());

    private static FigureTable Doorman(double[] fair, double[] proportional) => new(
        "120 divided among three clients",
        ["wants", "first come, first served", "proportional share", "fair share", "Doorman's fair share"],
        Wants.Select((want, i) => (IReadOnlyList<Cell>)
        [
            Cell.Number(want), Cell.Number(120 * want / Wants.Sum(), 1), Cell.Number(proportional[i], 2), Cell.Number(fair[i], 0), Cell.Number(DoormansFair[i]),
        ]).ToList());

    private static FigureTable Seats(List<int> seats, List<int> minimums) => new(
        "Seats of 600 by class, and the fewest that a class keeps when it lends",
        ["class", "seats", "Kubernetes", "at least", "Kubernetes"],
        Levels.Select((level, i) => (IReadOnlyList<Cell>)
        [
            level.Name, Cell.Number(seats[i]).Judged(seats[i] == level.Nominal), Cell.Number(level.Nominal), Cell.Number(minimums[i]).Judged(minimums[i] == level.Minimum), Cell.Number(level.Minimum),
        ]).ToList());

    private static FigureTable Formula() => new(
        "The probability that a caller refuses its own call: max(0, (requests − K·accepts)/(requests + 1))",
        ["K", "requests", "accepts", "probability", "published"],
        Throttling.Select(one =>
        {
            var probability = Throttle.RefusalProbability(one.Requests, one.Accepts, one.K);
            return (IReadOnlyList<Cell>)
            [
                Cell.Number(one.K, 1), Cell.Number(one.Requests), Cell.Number(one.Accepts), Cell.Number(probability, 4).Judged(Math.Abs(probability - one.Published) < 5e-5), Cell.Number(one.Published, 4),
            ];
        }).ToList());

    private static FigureTable ThrottleTable(ThrottleRun open, ThrottleRun throttled) => new(
        "A service that accepts 20 of 100 calls per second for three minutes (in the last of them), and then all",
        ["", "sent per s", "accepted per s", "accepted per s in the end"],
        [
            ["callers that insist", Cell.Number(open.SentWhileWeak, 1), Cell.Number(open.AcceptedWhileWeak, 1), Cell.Number(open.AcceptedInTheEnd, 1)],
            ["with the throttle", Cell.Number(throttled.SentWhileWeak, 1).Judged(throttled.SentWhileWeak <= 45), Cell.Number(throttled.AcceptedWhileWeak, 1), Cell.Number(throttled.AcceptedInTheEnd, 1)],
        ]);

    private static Plot DrawTurns(Passed counter, Passed gcra)
    {
        return new Plot(
            "Calls let through, added up",
            "seconds",
            "calls",
            [
                Series.Of("the limit: 100/s and a burst of 20", Tone.Reference, [(.9, LimitRuns.Burst), (LimitRuns.Seconds + .2, LimitRuns.Burst + LimitRuns.Limit * (LimitRuns.Seconds - .7))]),
                Count("a counter per second", Tone.Naive, counter),
                Count("GCRA", Tone.Malha, gcra),
            ]);

        static Series Count(string name, Tone tone, Passed passed) =>
            Series.Of(name, tone, Enumerable.Range(0, 5 * (10 * LimitRuns.Seconds + 2)).Select(i => (i / 50.0, (double)passed.Until(i / 50.0)))) with { Steps = true };
    }

    private static Plot DrawThrottle(ThrottleRun open, ThrottleRun throttled) => new(
        "Calls sent to a service that accepts 20 of 100 per second, and then all",
        "seconds",
        "per second",
        [
            Series.PerSecond("callers that insist", Tone.Naive, Smooth(open.Sent)),
            Series.PerSecond("with the throttle", Tone.Malha, Smooth(throttled.Sent)),
            Series.PerSecond("accepted", Tone.Reference, Smooth(throttled.Accepted)),
        ])
    {
        Bands = [new Band(ThrottleRun.WeakAt, ThrottleRun.WeakAt + ThrottleRun.WeakFor, "it accepts 20/s")],
    };

    /// <summary>The mean of five seconds, so that seven minutes can be read.</summary>
    private static IEnumerable<double> Smooth(double[] values) =>
        Enumerable.Range(0, ThrottleRun.End).Select(i => values[Math.Max(0, i - 2)..Math.Min(ThrottleRun.End, i + 3)].Average());

    private sealed record Count((int Passed, double Expected) Value);
}
