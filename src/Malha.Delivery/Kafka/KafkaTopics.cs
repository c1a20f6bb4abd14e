using System.Collections.Concurrent;
using System.Globalization;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Malha.Configuration;

namespace Malha.Delivery.Kafka;

/// <summary>Makes topics as they were promised, or says why they are not.</summary>
internal sealed class KafkaTopics(KafkaConfig config, IAdminClient admin)
{
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, byte> _ready = new(StringComparer.Ordinal);

    public bool IsReady(string topic) => _ready.ContainsKey(topic);

    public Task<string?> EnsureOperationsAsync() => EnsureAsync(KafkaNames.Operations, isCompacted: true);

    public Task<string?> EnsureLaneAsync(string lane) => EnsureAsync(KafkaNames.Topic(lane), isCompacted: false);

    /// <summary>Lanes that have a topic, whoever made it. Empty when Kafka does not say.</summary>
    public Task<IReadOnlyList<string>> LanesAsync() => Task.Run<IReadOnlyList<string>>(() =>
    {
        try
        {
            return [.. admin.GetMetadata(Answer).Topics.Where(topic => !topic.Error.IsError && topic.Partitions.Count == KafkaNames.Partitions)
                .Select(topic => KafkaNames.LaneOf(topic.Topic)).OfType<string>()];
        }
        catch (KafkaException)
        {
            return [];
        }
    });

    /// <summary>Where partitions end now; null: Kafka does not say.</summary>
    public async Task<IReadOnlyDictionary<TopicPartition, Offset>?> EndsAsync(IEnumerable<TopicPartition> partitions)
    {
        try
        {
            var ends = await admin.ListOffsetsAsync(partitions.Select(partition => new TopicPartitionOffsetSpec { TopicPartition = partition, OffsetSpec = OffsetSpec.Latest() }),
                new ListOffsetsOptions { RequestTimeout = Answer });
            return ends.ResultInfos.ToDictionary(info => info.TopicPartitionOffsetError.TopicPartition, info => info.TopicPartitionOffsetError.Offset);
        }
        catch (KafkaException)
        {
            return null;
        }
    }

    /// <summary>Lets go of what lies before an offset: everything there has ended. Where that is not allowed, it stays for as long as the topic keeps things.</summary>
    public async Task TrimAsync(IReadOnlyList<TopicPartitionOffset> until)
    {
        try
        {
            await admin.DeleteRecordsAsync(until, new DeleteRecordsOptions { RequestTimeout = Answer, OperationTimeout = Answer });
        }
        catch (KafkaException)
        {
            // The next time, then.
        }
    }

    private async Task<string?> EnsureAsync(string topic, bool isCompacted)
    {
        if (IsReady(topic))
            return null;
        var problem = await Task.Run(() => Look(topic)) is { IsThere: true } there ? there.Problem : await CreateAsync(topic, isCompacted);
        if (problem is null)
            _ready.TryAdd(topic, 0);
        return problem;
    }

    private async Task<string?> CreateAsync(string topic, bool isCompacted)
    {
        var settings = new Dictionary<string, string>
        {
            ["min.insync.replicas"] = config.MinInsync.ToString(CultureInfo.InvariantCulture),
            ["unclean.leader.election.enable"] = "false",
            ["max.message.bytes"] = (2 << 20).ToString(CultureInfo.InvariantCulture),
        };
        if (isCompacted)
            settings["cleanup.policy"] = "compact";
        else
            // Longer than any outage: what has ended is deleted by the gateways, what waits must not be.
            settings["retention.ms"] = "-1";
        try
        {
            await admin.CreateTopicsAsync(
                [new TopicSpecification { Name = topic, NumPartitions = KafkaNames.Partitions, ReplicationFactor = (short)config.Replication, Configs = settings }],
                new CreateTopicsOptions { RequestTimeout = Answer, OperationTimeout = Answer });
            return null;
        }
        catch (CreateTopicsException refused)
        {
            var error = refused.Results[0].Error;
            // Another gateway was quicker.
            if (error.Code == ErrorCode.TopicAlreadyExists)
                return (await Task.Run(() => Look(topic))).Problem;
            return string.Create(CultureInfo.InvariantCulture,
                $"topic {topic} cannot be made with {config.Replication} copies of its {KafkaNames.Partitions} partitions: {error.Reason}. Make it yourself, or change delivery.kafka.replication");
        }
        catch (KafkaException failed)
        {
            return $"topic {topic} cannot be made: {failed.Error.Reason}";
        }
    }

    private (bool IsThere, string? Problem) Look(string topic)
    {
        try
        {
            var found = admin.GetMetadata(topic, Answer).Topics.SingleOrDefault();
            if (found is null || found.Error.Code == ErrorCode.UnknownTopicOrPart)
                return (false, $"topic {topic} is not there yet");
            if (found.Error.IsError)
                return (true, $"topic {topic}: {found.Error.Reason}");
            if (found.Partitions.Count != KafkaNames.Partitions)
                return (true, string.Create(CultureInfo.InvariantCulture, $"topic {topic} has {found.Partitions.Count} partitions, and must have {KafkaNames.Partitions}"));
            var copies = found.Partitions.Min(partition => partition.Replicas.Length);
            return (true, copies >= config.Replication ? null
                : string.Create(CultureInfo.InvariantCulture, $"topic {topic} has {copies} copies, and delivery.kafka.replication says {config.Replication}; add copies to it, or change the number"));
        }
        catch (KafkaException failed)
        {
            return (true, $"Kafka cannot be asked about topic {topic}: {failed.Error.Reason}");
        }
    }
}
