using System.Collections.Concurrent;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>
/// One thread that owns both consumers. One reads every partition of all lanes and of malha.ops into the view. The other is this gateway's membership in the group that shares the lanes' partitions: it never
/// fetches anything, as all of its partitions are paused; what it has says which operations this gateway delivers. A partition that it was given is delivered from when the view has all that was in
/// Kafka at that moment, so that nothing which another gateway has settled is delivered again.
/// </summary>
internal sealed class KafkaReader : IDisposable
{
    private const int BatchCount = 512;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan RememberEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan TrimEvery = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(1);

    private readonly KafkaClients _clients;
    private readonly IAdminClient _admin;
    private readonly KafkaTopics _topics;
    private readonly EmbeddedLog _log;
    private readonly KafkaView _view;
    private readonly Ownership _owned;
    private readonly Func<string, bool> _delivers;
    private readonly Func<bool> _mayTrim;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentQueue<string> _newLanes = new();
    private readonly ConcurrentDictionary<string, byte> _lanes = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Topic, int Partition), long> _next = [];
    // Ahead of _next, which is what has been written.
    private readonly Dictionary<(string Topic, int Partition), long> _reading = [];
    private readonly List<CatchUp> _waiting = [];
    private readonly Lock _lock = new();
    private readonly Thread _thread;
    private string? _problem = "Kafka has not answered yet";
    private string _cluster = "";

    public KafkaReader(KafkaClients clients, IAdminClient admin, KafkaTopics topics, EmbeddedLog log, KafkaView view, Ownership owned, Func<string, bool> delivers, Func<bool> mayTrim,
        TimeProvider time)
    {
        (_clients, _admin, _topics, _log, _view, _owned, _delivers, _mayTrim, _time) = (clients, admin, topics, log, view, owned, delivers, mayTrim, time);
        _thread = new Thread(Run) { Name = "malha-kafka", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Why nothing is read; null: it is.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <summary>A lane that this gateway has something for, or may have.</summary>
    public void AddLane(string lane)
    {
        if (_lanes.TryAdd(lane, 0))
            _newLanes.Enqueue(lane);
    }

    /// <summary>Waits until the view has all that is in Kafka now. False: it has not in that time.</summary>
    public async Task<bool> CatchUpAsync(TimeSpan patience, CancellationToken cancellation)
    {
        List<TopicPartition> all;
        lock (_lock)
            all = [.. _next.Keys.Select(key => new TopicPartition(key.Topic, key.Partition))];
        if (all.Count == 0 || await _topics.EndsAsync(all) is not { } ends)
            return false;
        var waits = new CatchUp(ends);
        lock (_lock)
        {
            if (HasReached(ends))
                return true;
            _waiting.Add(waits);
        }
        try
        {
            await waits.Reached.Task.WaitAsync(patience, _time, cancellation);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            lock (_lock)
                _waiting.Remove(waits);
        }
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _thread.Join();
        _stopping.Dispose();
    }

    private void Run()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                if (Connect() is { } problem)
                    Volatile.Write(ref _problem, problem);
                else
                    ReadOn();
            }
            catch (Exception failed) when (failed is KafkaException or IOException or InvalidOperationException)
            {
                // The last: librdkafka does not take its settings, as a certificate's file has changed. What leaves this thread would end the gateway.
                Volatile.Write(ref _problem, failed.Message);
            }
            _owned.Clear();
            _stopping.Token.WaitHandle.WaitOne(RetryEvery);
        }
    }

    // Null: it is there, and it is the one that the view is of.
    private string? Connect()
    {
        if (_topics.EnsureOperationsAsync().GetAwaiter().GetResult() is { } problem)
            return problem;
        _cluster = _admin.DescribeClusterAsync(new DescribeClusterOptions { RequestTimeout = TimeSpan.FromSeconds(10) }).GetAwaiter().GetResult().ClusterId;
        var note = _log.Note();
        Dictionary<(string Topic, int Partition), long>? known = [];
        if (note.Outcome == ReadOutcome.Found && (known = KafkaOffsets.Read(note.Value, _cluster)) is null)
            return "the folder of delivery.path holds what was in another Kafka; set another folder, or remove this one";
        lock (_lock)
        {
            _next.Clear();
            foreach (var (partition, offset) in known)
                _next[partition] = offset;
        }
        foreach (var lane in known.Keys.Select(key => KafkaNames.LaneOf(key.Topic)).OfType<string>().Distinct())
            AddLane(lane);
        return null;
    }

    private void ReadOn()
    {
        using var reader = _clients.Reader();
        using var membership = new Membership(_clients, _topics, _owned, _time);
        var assigned = new HashSet<string>(StringComparer.Ordinal);
        Assign(reader, assigned, KafkaNames.Operations);
        foreach (var lane in _lanes.Keys)
            _newLanes.Enqueue(lane);
        var (remembered, looked, trimmed) = (_time.GetTimestamp(), 0L, _time.GetTimestamp());
        Task<IReadOnlyList<string>>? looking = null;
        Volatile.Write(ref _problem, null);
        while (!_stopping.IsCancellationRequested)
        {
            if (looking is { IsCompleted: true })
            {
                foreach (var lane in looking.Result)
                    AddLane(lane);
                looking = null;
            }
            else if (looking is null && (looked == 0 || _time.GetElapsedTime(looked) > LookEvery))
                (looking, looked) = (_topics.LanesAsync(), _time.GetTimestamp());
            TakeLanes(reader, assigned);
            // What services there are may change with a reload.
            membership.Subscribe(assigned, _delivers);
            membership.Turn();
            ReadSome(reader);
            Reached();
            membership.Load(Position);
            if (_time.GetElapsedTime(remembered) > RememberEvery)
            {
                Remember();
                remembered = _time.GetTimestamp();
            }
            if (_time.GetElapsedTime(trimmed) > TrimEvery)
            {
                Trim(membership);
                trimmed = _time.GetTimestamp();
            }
        }
        Remember();
        membership.Leave();
        reader.Close();
    }

    private void TakeLanes(IConsumer<byte[], byte[]> reader, HashSet<string> assigned)
    {
        for (var count = _newLanes.Count; count > 0 && _newLanes.TryDequeue(out var lane); count--)
        {
            var topic = KafkaNames.Topic(lane);
            // One that is not made yet is looked for again: whoever accepts for it makes it.
            if (!_topics.IsReady(topic) && _topics.EnsureLaneAsync(lane).GetAwaiter().GetResult() is { } problem)
            {
                _newLanes.Enqueue(lane);
                Volatile.Write(ref _problem, problem);
                continue;
            }
            if (assigned.Contains(topic))
                continue;
            Assign(reader, assigned, topic);
            Volatile.Write(ref _problem, null);
        }
    }

    private void Assign(IConsumer<byte[], byte[]> reader, HashSet<string> assigned, string topic)
    {
        assigned.Add(topic);
        var partitions = new List<TopicPartitionOffset>();
        lock (_lock)
        {
            for (var partition = 0; partition < KafkaNames.Partitions; partition++)
            {
                _next.TryAdd((topic, partition), 0);
                var from = _next[(topic, partition)];
                partitions.Add(new TopicPartitionOffset(topic, partition, from == 0 ? Offset.Beginning : from));
            }
        }
        reader.IncrementalAssign(partitions);
    }

    private void ReadSome(IConsumer<byte[], byte[]> reader)
    {
        var read = new List<(string Topic, int Partition, long Next)>();
        for (var result = reader.Consume(Poll); result is not null; result = read.Count < BatchCount ? reader.Consume(TimeSpan.Zero) : null)
        {
            if (!result.IsPartitionEOF)
                Apply(result);
            read.Add((result.Topic, result.Partition, result.IsPartitionEOF ? result.Offset : result.Offset + 1));
            lock (_lock)
                _reading[(result.Topic, result.Partition)] = read[^1].Next;
        }
        if (read.Count == 0)
            return;
        _view.Flush();
        lock (_lock)
        {
            foreach (var (topic, partition, next) in read)
                _next[(topic, partition)] = next;
        }
    }

    private void Apply(ConsumeResult<byte[], byte[]> result)
    {
        if (result.Topic == KafkaNames.Operations)
        {
            if (result.Message.Value is null)
            {
                if (result.Message.Key is { Length: OperationId.Length } key)
                    _view.Forget(OperationId.Read(key));
            }
            else if (KafkaRecords.Read(result.Message.Value) is { } state)
                _view.ApplyState(state, HasRead(state.Operation));
            return;
        }
        if (result.Message.Value is { } value && KafkaRecords.Read(value) is { } record)
            _view.ApplyLane(record, result.Partition, result.Offset);
    }

    private bool HasRead(Operation operation)
    {
        lock (_lock)
            return _reading.GetValueOrDefault((KafkaNames.Topic(operation.Lane), KafkaNames.PartitionOf(operation))) > operation.LogOffset;
    }

    private long Position(TopicPartition partition)
    {
        lock (_lock)
            return _next.GetValueOrDefault((partition.Topic, partition.Partition));
    }

    private bool HasReached(IReadOnlyDictionary<TopicPartition, Offset> ends) => ends.All(end => _next.GetValueOrDefault((end.Key.Topic, end.Key.Partition)) >= end.Value);

    private void Reached()
    {
        lock (_lock)
        {
            foreach (var waits in _waiting)
            {
                if (HasReached(waits.Ends))
                    waits.Reached.TrySetResult();
            }
        }
    }

    private void Remember()
    {
        Dictionary<(string, int), long> next;
        lock (_lock)
            next = new(_next);
        _view.Remember(next, _cluster);
    }

    // Up to the first that waits, of the partitions that this gateway has: by then all states of what lies before it must be in malha.ops.
    private void Trim(Membership membership)
    {
        if (!_mayTrim())
            return;
        var until = new List<TopicPartitionOffset>();
        foreach (var partition in membership.Loaded)
        {
            var lane = KafkaNames.LaneOf(partition.Topic)!;
            var first = _log.Lane(KafkaNames.Part(lane, partition.Partition), 0, 1);
            if (first.Outcome is not (ReadOutcome.Found or ReadOutcome.NotFound))
                continue;
            var offset = first.Value is [var entry] && _log.Find(entry.Id).Value is { } waits ? waits.LogOffset : Position(partition);
            if (offset > 0)
                until.Add(new TopicPartitionOffset(partition, offset));
        }
        membership.Store(until);
        if (until.Count > 0)
            _ = _topics.TrimAsync(until);
    }

    private sealed record CatchUp(IReadOnlyDictionary<TopicPartition, Offset> Ends)
    {
        public TaskCompletionSource Reached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
