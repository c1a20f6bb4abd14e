using System.Buffers.Binary;
using System.Globalization;
using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace Malha.Lab.Kafka;

/// <summary>The three topics of one run: made, seen whole, and read to their ends.</summary>
internal sealed class AckTopics : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500);

    /// <summary>A broker that was frozen tells for a while what it knew before: one look is not enough.</summary>
    private const int LooksInARow = 5;

    private readonly string _bootstrap;
    private readonly TimeProvider _time;
    private readonly IAdminClient _admin;

    public AckTopics(string bootstrap, ulong run, TimeProvider time)
    {
        (_bootstrap, _time) = (bootstrap, time);
        Run = run;
        _admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = bootstrap, ReconnectBackoffMaxMs = 1_000 })
            .SetErrorHandler((_, error) => AckLevels.Quiet(error.Reason)).SetLogHandler((_, log) => AckLevels.Quiet(log.Message)).Build();
    }

    public ulong Run { get; }

    public string Name(AckWord level) => $"lab-{AckLevels.Word(level)}-{Run.ToString("x16", CultureInfo.InvariantCulture)}";

    /// <summary>One partition for each level, on all three brokers, led by one and the same.</summary>
    public Task CreateAsync(IReadOnlyList<int> brokers) => _admin.CreateTopicsAsync(
        AckLevels.All.Select(level => new TopicSpecification
        {
            Name = Name(level),
            NumPartitions = 1,
            ReplicasAssignments = new Dictionary<int, List<int>> { [0] = [.. brokers] },
            Configs = new Dictionary<string, string> { ["min.insync.replicas"] = "2", ["unclean.leader.election.enable"] = "false" },
        }),
        new CreateTopicsOptions { OperationTimeout = Answer, RequestTimeout = 3 * Answer });

    /// <summary>Waits until every topic has all of its copies in sync, and goes on having them.</summary>
    public async Task WholeAsync(CancellationToken cancellation)
    {
        var begun = _time.GetTimestamp();
        for (var looks = 0; looks < LooksInARow; looks++)
        {
            if (!IsWhole())
                looks = -1;
            if (_time.GetElapsedTime(begun) > Patience)
                throw new KafkaClusterException($"the brokers' copies were not in sync again after {Patience.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s");
            await Task.Delay(Look, _time, cancellation);
        }
    }

    /// <summary>Reads every topic from its first to its last message and enters what is there.</summary>
    public void Read(IReadOnlyDictionary<AckWord, LevelLedger> ledgers, CancellationToken cancellation)
    {
        var config = new ConsumerConfig
        {
            BootstrapServers = _bootstrap, GroupId = "lab", EnableAutoCommit = false, AutoOffsetReset = AutoOffsetReset.Error, EnablePartitionEof = false, ReconnectBackoffMaxMs = 1_000,
        };
        using var consumer = new ConsumerBuilder<byte[], byte[]>(config)
            .SetErrorHandler((_, error) => AckLevels.Quiet(error.Reason)).SetLogHandler((_, log) => AckLevels.Quiet(log.Message)).Build();
        foreach (var level in AckLevels.All)
        {
            var partition = new TopicPartition(Name(level), 0);
            var end = consumer.QueryWatermarkOffsets(partition, Answer).High;
            consumer.Assign(new TopicPartitionOffset(partition, Offset.Beginning));
            for (Offset next = 0; next < end;)
            {
                cancellation.ThrowIfCancellationRequested();
                var read = consumer.Consume(Patience) ?? throw new KafkaClusterException($"{partition} could not be read to its end: nothing came behind offset {next} of {end}");
                next = read.Offset + 1;
                Enter(ledgers[level], read.Message.Value);
            }
            consumer.Unassign();
        }
    }

    public void Dispose() => _admin.Dispose();

    private void Enter(LevelLedger ledger, byte[] value)
    {
        if (value.Length != AckLoad.ValueBytes || BinaryPrimitives.ReadUInt64LittleEndian(value) != Run
            || !ledger.Found(BinaryPrimitives.ReadInt32LittleEndian(value.AsSpan(AckLoad.SequenceAt))))
            throw new KafkaClusterException("a topic of this run holds a message that this run did not send");
    }

    private bool IsWhole()
    {
        try
        {
            return AckLevels.All.All(level => _admin.GetMetadata(Name(level), Answer).Topics is [{ Error.IsError: false, Partitions: [{ Error.IsError: false } only] }]
                && only.Leader >= 0 && only.InSyncReplicas.Length == only.Replicas.Length);
        }
        catch (KafkaException)
        {
            // Nobody who was asked answers yet.
            return false;
        }
    }
}
