using Confluent.Kafka;
using Malha.Configuration;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>Builds librdkafka's clients. What differs from its defaults says why.</summary>
internal sealed class KafkaClients(KafkaConfig config, Action<Error> told)
{
    /// <summary>
    /// More than it takes to see a leader dead and elect another (9 s and some). Who waits for an acknowledgement does not wait for this: <see cref="Spill"/>.
    /// </summary>
    private const int MessageTimeoutMs = 25_000;

    /// <summary>A gateway that is gone is seen to be within this; Kafka's own least is 6 s.</summary>
    private const int SessionTimeoutMs = 10_000;

    private const int QueuedMessages = 100_000;
    private const int QueuedKbytes = 64 << 10;
    private const int BatchBytes = 1_000_000;

    public IProducer<byte[], byte[]> Producer(AckLevel acks)
    {
        var producer = new ProducerConfig(Common())
        {
            Acks = acks switch { AckLevel.None => Acks.None, AckLevel.Leader => Acks.Leader, _ => Acks.All },
            // Off by default: a retry could store a message twice, or behind the one after it.
            EnableIdempotence = acks == AckLevel.All,
            // 1,000,000 by default. Without idempotence the order of a key needs one in flight.
            MaxInFlight = acks == AckLevel.All ? 5 : 1,
            MessageTimeoutMs = MessageTimeoutMs,
            // One broker that does not answer is no reason to wait for a minute.
            RequestTimeoutMs = 10_000,
            SocketTimeoutMs = 15_000,
            LingerMs = 2,
            CompressionType = CompressionType.Lz4,
            BatchSize = BatchBytes,
            QueueBufferingMaxMessages = QueuedMessages,
            QueueBufferingMaxKbytes = QueuedKbytes,
            MessageMaxBytes = 2 << 20,
            DeliveryReportFields = "status",
        };
        return new ProducerBuilder<byte[], byte[]>(producer).SetErrorHandler((_, error) => told(error)).SetLogHandler((_, _) => { }).Build();
    }

    /// <summary>Reads whatever it is told to; belongs to no group.</summary>
    public IConsumer<byte[], byte[]> Reader()
    {
        var consumer = new ConsumerConfig(Common())
        {
            GroupId = KafkaNames.Group + "-readers",
            EnableAutoCommit = false,
            // "largest" by default: what was accepted before this gateway came would be passed over.
            AutoOffsetReset = AutoOffsetReset.Earliest,
            // Also of what holds nothing any more it is told where it ends.
            EnablePartitionEof = true,
            FetchWaitMaxMs = 100,
            FetchMinBytes = 1,
            QueuedMaxMessagesKbytes = 16 << 10,
            MaxPartitionFetchBytes = 2 << 20,
        };
        return new ConsumerBuilder<byte[], byte[]>(consumer).SetErrorHandler((_, error) => told(error)).SetLogHandler((_, _) => { }).Build();
    }

    /// <summary>Shares the lanes' partitions with the other gateways.</summary>
    public IConsumer<byte[], byte[]> Member(Action<IReadOnlyList<TopicPartition>> assigned, Action<IReadOnlyList<TopicPartition>> revoked)
    {
        var consumer = new ConsumerConfig(Common())
        {
            GroupId = KafkaNames.Group,
            // On by default: offsets are stored when what is below them has ended, not when it was read.
            EnableAutoOffsetStore = false,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            SessionTimeoutMs = SessionTimeoutMs,
            HeartbeatIntervalMs = 3_000,
            // A gateway that comes takes from the others only what it gets. (The group protocol of KIP-848 leaves the session's length to the broker, which has 45 s for it.)
            PartitionAssignmentStrategy = PartitionAssignmentStrategy.CooperativeSticky,
            QueuedMaxMessagesKbytes = 64,
        };
        return new ConsumerBuilder<byte[], byte[]>(consumer).SetErrorHandler((_, error) => told(error)).SetLogHandler((_, _) => { })
            .SetPartitionsAssignedHandler((_, partitions) => assigned(partitions))
            .SetPartitionsRevokedHandler((_, partitions) => revoked([.. partitions.Select(one => one.TopicPartition)]))
            .SetPartitionsLostHandler((_, partitions) => revoked([.. partitions.Select(one => one.TopicPartition)]))
            .Build();
    }

    public IAdminClient Admin() =>
        new AdminClientBuilder(new AdminClientConfig(Common())).SetErrorHandler((_, error) => told(error)).SetLogHandler((_, _) => { }).Build();

    private Confluent.Kafka.ClientConfig Common()
    {
        var common = new Confluent.Kafka.ClientConfig
        {
            BootstrapServers = string.Join(',', config.Bootstrap),
            ClientId = "malha",
            // A topic that a broker makes by itself has the broker's copies, not those that were promised.
            AllowAutoCreateTopics = false,
            ReconnectBackoffMs = 50,
            ReconnectBackoffMaxMs = 1_000,
            TopicMetadataRefreshIntervalMs = 10_000,
            SocketKeepaliveEnable = true,
            SecurityProtocol = (config.Login, config.Tls) switch
            {
                (null, null) => SecurityProtocol.Plaintext,
                (null, _) => SecurityProtocol.Ssl,
                (_, null) => SecurityProtocol.SaslPlaintext,
                _ => SecurityProtocol.SaslSsl,
            },
        };
        if (config.Login is { } login)
        {
            common.SaslMechanism = login.Mechanism switch
            {
                KafkaMechanism.Plain => SaslMechanism.Plain,
                KafkaMechanism.ScramSha256 => SaslMechanism.ScramSha256,
                _ => SaslMechanism.ScramSha512,
            };
            (common.SaslUsername, common.SaslPassword) = (login.User, login.Password.Reveal());
        }
        if (config.Tls is { } tls)
        {
            common.SslCaLocation = tls.Ca?.Path;
            common.SslCertificateLocation = tls.Certificate?.Path;
            common.SslKeyLocation = tls.Key?.Path;
            common.SslEndpointIdentificationAlgorithm = SslEndpointIdentificationAlgorithm.Https;
        }
        return common;
    }
}
