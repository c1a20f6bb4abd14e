namespace Malha.Lab.Kafka;

/// <summary>What became of one fault's run.</summary>
internal sealed record AckResult(KafkaFault Fault, int FaultAtSecond, IReadOnlyDictionary<AckWord, LevelLedger> Ledgers);

/// <summary>One fault on a whole cluster, which it leaves whole.</summary>
internal sealed class AckRun(KafkaCluster cluster, AckOptions options, TimeProvider time)
{
    public async Task<AckResult> MakeAsync(KafkaFault fault, int leader, ulong run, CancellationToken cancellation)
    {
        var hands = new FaultHands(cluster, leader, time);
        using var topics = new AckTopics(cluster.Bootstrap, run, time);
        await topics.CreateAsync(hands.Brokers);
        await topics.WholeAsync(cancellation);

        using var load = new AckLoad(cluster.Bootstrap, topics.Name, run, options, time);
        var at = options.Seconds / 3;
        var loading = load.RunAsync(cancellation);
        var faulting = FaultAsync(fault, hands, at, cancellation);
        await Task.WhenAll(loading, faulting);

        var dead = hands.Brokers.Except(await cluster.RunningAsync(cancellation)).ToList();
        if (dead.Count > 0)
            await cluster.StartAsync(dead, cancellation);
        await topics.WholeAsync(cancellation);
        await Task.Run(() => topics.Read(load.Ledgers, cancellation), cancellation);
        return new AckResult(fault, at, load.Ledgers);
    }

    private static async Task FaultAsync(KafkaFault fault, FaultHands hands, int at, CancellationToken cancellation)
    {
        await hands.PassAsync(at, cancellation);
        await fault.RunAsync(hands, cancellation);
    }
}
