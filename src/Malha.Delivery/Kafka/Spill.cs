using Confluent.Kafka;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>
/// What Kafka did not take in time, in a log on this machine's disk until it does. It goes to Kafka in the order in which it was accepted; of each key one at a time, so that one that fails is not overtaken
/// by the next one. What comes twice is known by its id.
/// </summary>
internal sealed class Spill : IAsyncDisposable
{
    private const int PageCount = 256;

    private static readonly TimeSpan DrainEvery = TimeSpan.FromMilliseconds(250);

    private readonly EmbeddedLog _log;
    private readonly KafkaProducers _producers;
    private readonly KafkaTopics _topics;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _draining;
    private int _count;

    public Spill(EmbeddedLog log, KafkaProducers producers, KafkaTopics topics, TimeProvider time)
    {
        (_log, _producers, _topics, _time) = (log, producers, topics, time);
        foreach (var lane in log.Lanes().Value ?? [])
            _count += log.Depth(lane);
        _draining = Task.Run(DrainAsync);
    }

    public EmbeddedLog Log => _log;

    /// <summary>Nothing is here: nobody need look.</summary>
    public bool IsEmpty => Volatile.Read(ref _count) == 0;

    /// <summary>Whether operations of a key wait here: those that come after them must not go before them.</summary>
    public bool Holds(string lane, string key) => !IsEmpty && key.Length > 0 && _log.Key(lane, key, 1).Value is { Count: > 0 };

    public bool Has(OperationId id) => !IsEmpty && _log.Find(id).Value is { State: OperationState.Waiting };

    public async ValueTask<LogResult> AcceptAsync(Operation operation, ReadOnlyMemory<byte> body, CancellationToken cancellation)
    {
        Interlocked.Increment(ref _count);
        var result = await _log.AcceptAsync(operation, body, cancellation);
        if (result.Outcome != LogOutcome.Done)
            Interlocked.Decrement(ref _count);
        return result;
    }

    /// <summary>It is in Kafka after all.</summary>
    public async Task DropAsync(OperationId id)
    {
        for (var tries = 0; tries < 3 && _log.Find(id).Value is { } operation; tries++)
        {
            if ((await _log.ForgetAsync(id, operation.Revision, AckLevel.Leader)).Outcome != LogOutcome.Done)
                continue;
            if (operation.State == OperationState.Waiting)
                Interlocked.Decrement(ref _count);
            return;
        }
    }

    /// <summary>Its client took it back, or it expired here.</summary>
    public async ValueTask<LogResult> UpdateAsync(Operation operation, Answer? answer, AckLevel acks, CancellationToken cancellation)
    {
        var result = await _log.UpdateAsync(operation, answer, acks, cancellation);
        if (result.Outcome == LogOutcome.Done && operation.State != OperationState.Waiting)
            Interlocked.Decrement(ref _count);
        return result;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _draining;
        _stopping.Dispose();
        await _log.DisposeAsync();
    }

    private async Task DrainAsync()
    {
        using var timer = new PeriodicTimer(DrainEvery, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                if (IsEmpty)
                    continue;
                foreach (var lane in _log.Lanes().Value ?? [])
                    await DrainAsync(lane);
            }
        }
        catch (OperationCanceledException)
        {
            // It stops; what is here stays here.
        }
    }

    private async Task DrainAsync(string lane)
    {
        if (!_topics.IsReady(KafkaNames.Topic(lane)))
            return;
        while (!_stopping.IsCancellationRequested && _log.Lane(lane, 0, PageCount).Value is { Count: > 0 } page)
        {
            var keys = new HashSet<string>(StringComparer.Ordinal);
            var sending = new List<(OperationId Id, Task<Sent> Sent)>();
            foreach (var entry in page)
            {
                if (_log.Find(entry.Id).Value is { State: OperationState.Waiting } operation && _log.Body(entry.Id).Value is { } body && (operation.Key.Length == 0 || keys.Add(operation.Key)))
                    sending.Add((entry.Id, SendAsync(operation, body)));
            }
            var isWhole = sending.Count > 0;
            foreach (var (id, sent) in sending)
            {
                if (await sent == Sent.Stored)
                    await DropAsync(id);
                else
                    isWhole = false;
            }
            if (!isWhole)
                return;
        }
    }

    // At none nobody would say that it did not arrive, and here it would be gone.
    private Task<Sent> SendAsync(Operation operation, byte[] body) => _producers.SendAsync(
        operation.Acks == AckLevel.None ? AckLevel.Leader : operation.Acks, new TopicPartition(KafkaNames.Topic(operation.Lane), KafkaNames.PartitionOf(operation)),
        KafkaNames.KeyOf(operation), KafkaRecords.Write(new KafkaRecord(operation, body, null)));
}
