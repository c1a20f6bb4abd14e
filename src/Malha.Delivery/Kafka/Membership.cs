using System.Collections.Concurrent;
using Confluent.Kafka;

namespace Malha.Delivery.Kafka;

/// <summary>Which parts of lanes this gateway delivers. Read by everybody, changed by the reader's thread.</summary>
internal sealed class Ownership(Action<string> gained)
{
    private readonly ConcurrentDictionary<string, byte> _parts = new(StringComparer.Ordinal);

    public bool Has(string part) => _parts.ContainsKey(part);

    /// <summary>How many parts of a lane.</summary>
    public int Count(string lane) => KafkaNames.Parts(lane).Count(Has);

    public void Add(string part)
    {
        if (_parts.TryAdd(part, 0))
            gained(part);
    }

    public void Remove(string part) => _parts.TryRemove(part, out _);

    public void Clear() => _parts.Clear();
}

/// <summary>This gateway's part in the group that shares the lanes' partitions. The reader's thread only, on which the callbacks come, too.</summary>
internal sealed class Membership : IDisposable
{
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1);

    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly KafkaTopics _topics;
    private readonly Ownership _owned;
    private readonly TimeProvider _time;
    private readonly HashSet<TopicPartition> _assigned = [];
    private readonly HashSet<TopicPartition> _loaded = [];
    private HashSet<string> _subscribed = [];
    private bool _isPaused = true;
    private Task<IReadOnlyDictionary<TopicPartition, Offset>?>? _asking;
    private HashSet<TopicPartition> _asked = [];
    private IReadOnlyDictionary<TopicPartition, Offset>? _ends;
    private long _askedAt;

    public Membership(KafkaClients clients, KafkaTopics topics, Ownership owned, TimeProvider time)
    {
        (_topics, _owned, _time) = (topics, owned, time);
        _consumer = clients.Member(Assigned, Revoked);
    }

    /// <summary>Partitions of which the view has all that was there when they were given to this gateway.</summary>
    public IReadOnlyCollection<TopicPartition> Loaded => _loaded;

    /// <summary>Asks for parts of the lanes whose services this gateway has: another gateway has those of the others.</summary>
    public void Subscribe(IReadOnlySet<string> topics, Func<string, bool> delivers)
    {
        var wanted = topics.Where(topic => KafkaNames.LaneOf(topic) is { } lane && delivers(lane)).ToHashSet(StringComparer.Ordinal);
        if (wanted.SetEquals(_subscribed))
            return;
        if (wanted.Count > 0)
            _consumer.Subscribe(wanted);
        else
            _consumer.Unsubscribe();
        _subscribed = wanted;
    }

    /// <summary>Lets the group's business go on.</summary>
    public void Turn()
    {
        // What it fetched before it was paused is read by the other consumer.
        while (_consumer.Consume(TimeSpan.Zero) is not null)
            Pause();
        Pause();
    }

    /// <summary>Takes up what the view has caught up with.</summary>
    public void Load(Func<TopicPartition, long> position)
    {
        if (_assigned.Count == _loaded.Count)
            return;
        if (_asking is { IsCompleted: true })
            (_ends, _asking) = (_asking.Result, null);
        if (_ends is null)
        {
            if (_asking is null && (_askedAt == 0 || _time.GetElapsedTime(_askedAt) > AskEvery))
                Ask();
            return;
        }
        if (_ends.Any(end => position(end.Key) < end.Value))
            return;
        foreach (var partition in _asked.Where(_assigned.Contains))
        {
            if (_loaded.Add(partition))
                _owned.Add(KafkaNames.Part(KafkaNames.LaneOf(partition.Topic)!, partition.Partition));
        }
        // Those that came while it was asked are asked about next.
        (_ends, _askedAt) = (null, 0);
    }

    /// <summary>Below these all has ended: for whoever looks at the group, and as its lag.</summary>
    public void Store(IReadOnlyList<TopicPartitionOffset> until)
    {
        foreach (var offset in until.Where(offset => _assigned.Contains(offset.TopicPartition)))
            _consumer.StoreOffset(offset);
    }

    /// <summary>The others need not wait until it is missed.</summary>
    public void Leave() => _consumer.Close();

    public void Dispose() => _consumer.Dispose();

    // Also what others settled before must be known: their states are in malha.ops.
    private void Ask()
    {
        _askedAt = _time.GetTimestamp();
        _asked = [.. _assigned.Except(_loaded)];
        _asking = _topics.EndsAsync(_asked.Concat(Enumerable.Range(0, KafkaNames.Partitions).Select(partition => new TopicPartition(KafkaNames.Operations, partition))));
    }

    private void Assigned(IReadOnlyList<TopicPartition> partitions)
    {
        _assigned.UnionWith(partitions);
        (_isPaused, _ends, _asking, _askedAt) = (false, null, null, 0);
    }

    private void Revoked(IReadOnlyList<TopicPartition> partitions)
    {
        foreach (var partition in partitions)
        {
            _assigned.Remove(partition);
            _loaded.Remove(partition);
            _owned.Remove(KafkaNames.Part(KafkaNames.LaneOf(partition.Topic)!, partition.Partition));
        }
    }

    // A pause ends with the assignment that it was made for.
    private void Pause()
    {
        if (_isPaused)
            return;
        _consumer.Pause(_assigned);
        _isPaused = true;
    }
}
