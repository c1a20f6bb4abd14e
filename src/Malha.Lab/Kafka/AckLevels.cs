using Confluent.Kafka;

namespace Malha.Lab.Kafka;

/// <summary>Whose word the producer waits for.</summary>
internal enum AckWord
{
    None = 0,
    Leader = 1,
    All = 2,
}

/// <summary>What each level means to a producer.</summary>
internal static class AckLevels
{
    /// <summary>Well above any outage of the experiment: what is given up on may be stored all the same, and would only blur the count.</summary>
    private const int MessageTimeoutMs = 60_000;

    public static IReadOnlyList<AckWord> All { get; } = [AckWord.None, AckWord.Leader, AckWord.All];

    public static string Word(AckWord level) => level switch { AckWord.None => "none", AckWord.Leader => "leader", _ => "all" };

    public static ProducerConfig Producer(AckWord level, string bootstrap) => new()
    {
        BootstrapServers = bootstrap,
        Acks = level switch { AckWord.None => Acks.None, AckWord.Leader => Acks.Leader, _ => Acks.All },
        // Not by default: without it a retry may store a message twice, or behind the one after it.
        EnableIdempotence = level == AckWord.All,
        // 1,000,000 by default; five is the most that idempotence goes with.
        MaxInFlight = 5,
        LingerMs = 5,
        MessageTimeoutMs = MessageTimeoutMs,
        // All that is sent while nobody leads must fit.
        QueueBufferingMaxMessages = 2_000_000,
        QueueBufferingMaxKbytes = 2_000_000,
        // Only what the ledger asks about comes back.
        DeliveryReportFields = "key,status",
        // A broker that went and came back is asked again soon; by default after up to 10 s.
        ReconnectBackoffMs = 50,
        ReconnectBackoffMaxMs = 1_000,
    };

    /// <summary>Where a client says what it thinks of brokers that are gone: that is what the experiment is about, not news.</summary>
    public static void Quiet(string why) => _ = why;
}
