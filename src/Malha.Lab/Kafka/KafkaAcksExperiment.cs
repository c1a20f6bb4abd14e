using System.Globalization;
using Confluent.Kafka;
using Malha.Lab.Reports;
using Malha.Resilience;

namespace Malha.Lab.Kafka;

/// <summary>
/// What each ack level of Kafka may lose, on three real brokers, by signals. Only two things are asserted, since all else depends on the machine and on chance: <c>all</c> loses
/// nothing, and <c>leader</c> loses something in the control, or the harness does not see losses.
/// </summary>
internal static class KafkaAcksExperiment
{
    public const string Name = "kafka-acks";

    public const string Title = "What an acknowledgement of Kafka is worth";

    private const string Why =
        "A client that was told 202 relies on it. Whether its request outlives a broker depends on whose word the gateway waited for: nobody's (none), the leader's (leader), or that of all copies that "
        + "are in sync (all). The difference does not show on a good day, and at none no error is reported for what is lost.";

    /// <summary>Runs all faults that were asked for on one cluster.</summary>
    /// <param name="root">The source tree, whose script starts the brokers.</param>
    /// <param name="options">What is run.</param>
    /// <param name="time">The clock.</param>
    /// <param name="progress">Told what is done.</param>
    /// <param name="cancellation">Ends it, and the brokers.</param>
    /// <exception cref="KafkaClusterException">Something else than a loss went wrong; the message says what.</exception>
    public static async Task<LabReport> RunAsync(string root, AckOptions options, TimeProvider time, Action<string> progress, CancellationToken cancellation)
    {
        progress("starting three brokers and three controllers");
        await using var cluster = await KafkaCluster.StartAsync(root, ClusterShape.ThreeBrokers, cancellation);
        var chance = new Chance(options.Seed);
        var run = new AckRun(cluster, options, time);
        var results = new List<AckResult>();
        foreach (var fault in options.Faults)
        {
            progress($"{fault.Name}: {fault.Text}");
            try
            {
                results.Add(await run.MakeAsync(fault, leader: 1 + chance.Next(3), chance.NextBits(), cancellation));
            }
            catch (KafkaException failed)
            {
                throw new KafkaClusterException($"{fault.Name} could not be measured: {failed.Message}");
            }
        }
        return new LabReport(options.Seed, [Report(options, results)]) { Asked = Name, IsLive = true };
    }

    private static ExperimentReport Report(AckOptions options, List<AckResult> results) => new()
    {
        Name = Name,
        Title = Title,
        Why = Why,
        Setup = FormattableString.Invariant(
            $"Three brokers and three controllers, each a process; three copies, two of which must be in sync, no unclean elections. For each level one partition, and a producer that sends {options.Rate:#,0} messages of 1 KB a second for {options.Seconds} s; all partitions have the same leader. The fault comes after a third of the time. ")
            + "Afterwards the brokers are made whole, and each topic is read from its first to its last message. Lost is what was acknowledged and is not there. What was not seen once in N is less frequent than 3/N, with 95 % confidence.",
        Verdict = Judge(results),
        Tables = [Table(results)],
        Plots = [.. results.Select(Plot)],
        Seed = options.Seed,
    };

    private static Verdict Judge(List<AckResult> results)
    {
        var lostAtAll = results.Sum(result => result.Ledgers[AckWord.All].Lost);
        var atAll = results.Sum(result => (long)result.Ledgers[AckWord.All].Acknowledged);
        var control = results.FirstOrDefault(result => result.Fault == KafkaFault.Control)?.Ledgers[AckWord.Leader].Lost;
        var words = FormattableString.Invariant($"all lost {lostAtAll:#,0} of {atAll:#,0} acknowledged messages")
            + (control switch
            {
                null => "; the control was not run",
                0 => ", but leader lost none in the control: this harness does not see losses",
                _ => FormattableString.Invariant($"; leader lost {control:#,0} in the control"),
            }) + ".";
        // Nothing that was acknowledged means nothing that could be lost.
        return new Verdict(lostAtAll == 0 && atAll > 0 && control is null or > 0, char.ToUpperInvariant(words[0]) + words[1..]);
    }

    private static FigureTable Table(List<AckResult> results) => new(
        "What was acknowledged, and what is there",
        ["fault", "acks", "sent", "acknowledged", "consumed", "lost", "duplicated", "failed, yet stored", "longest gap", "verdict"],
        [.. results.SelectMany(result => AckLevels.All.Select(level => Row(result, level, result.Ledgers[level])))])
    {
        TextColumns = 2,
    };

    private static IReadOnlyList<Cell> Row(AckResult result, AckWord level, LevelLedger ledger)
    {
        var lost = Cell.Number(ledger.Lost);
        if (ledger.Lost == 0 && ledger.Acknowledged > 0)
            lost = lost with { Text = FormattableString.Invariant($"0 (< 3/{ledger.Acknowledged:#,0})") };
        var asserted = level == AckWord.All || (level == AckWord.Leader && result.Fault == KafkaFault.Control);
        var holds = level == AckWord.All ? ledger.Lost == 0 : ledger.Lost > 0;
        return
        [
            level == AckWord.None ? $"{result.Fault.Name}: {result.Fault.Text}" : result.Fault.Name,
            AckLevels.Word(level), Cell.Number(ledger.Sent), Cell.Number(ledger.Acknowledged), Cell.Number(ledger.Consumed), asserted ? lost.Judged(holds) : lost, Cell.Number(ledger.Duplicated),
            Cell.Number(ledger.StoredThoughFailed), Cell.Number(ledger.LongestGap.TotalSeconds, 1, " s"), Said(ledger, asserted, holds),
        ];
    }

    private static string Said(LevelLedger ledger, bool asserted, bool holds) => (asserted, holds, ledger.Lost) switch
    {
        (true, true, 0) => "nothing lost, as it must be",
        (true, true, _) => "lost, as it must be",
        (true, false, _) => "not as it must be",
        (_, _, 0) => "nothing lost this time",
        _ => string.Create(CultureInfo.InvariantCulture, $"{(double)ledger.Lost / ledger.Acknowledged:0.00 %} lost"),
    };

    private static Plot Plot(AckResult result)
    {
        var longest = result.Ledgers.Values.Max(ledger => ledger.AcksPerSecond.Count);
        Tone[] tones = [Tone.Naive, Tone.Third, Tone.Malha];
        return new Plot($"{result.Fault.Name}: {result.Fault.Text}", "seconds", "acknowledgements per second",
            [.. AckLevels.All.Select((level, i) => Series.PerSecond(AckLevels.Word(level), tones[i], result.Ledgers[level].AcksPerSecond.Select(count => (double)count)) with { Steps = true })])
        {
            Bands = [new Band(result.FaultAtSecond, Math.Max(longest, result.FaultAtSecond + 1), "from the fault on")],
        };
    }
}
