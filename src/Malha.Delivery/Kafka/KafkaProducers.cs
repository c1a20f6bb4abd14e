using Confluent.Kafka;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>What became of a record that was sent.</summary>
internal enum Sent
{
    /// <summary>As durable as its level says; at <c>none</c>: given to the connection.</summary>
    Stored,

    /// <summary>The producer's queue is full. It was not sent.</summary>
    Full,

    /// <summary>It was given up, and may be stored all the same; or it cannot be stored.</summary>
    Failed,
}

/// <summary>One producer for each ack level. One that has failed for good is replaced.</summary>
internal sealed class KafkaProducers(KafkaClients clients) : IDisposable
{
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<AckLevel, IProducer<byte[], byte[]>> _producers = [];
    private bool _closed;

    /// <summary>Sends a record; never waits for room, and never throws for what Kafka does.</summary>
    public Task<Sent> SendAsync(AckLevel acks, TopicPartition to, byte[] key, byte[]? value)
    {
        if (Of(acks) is not { } producer)
            return Task.FromResult(Sent.Failed);
        var sent = new TaskCompletionSource<Sent>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            producer.Produce(to, new Message<byte[], byte[]> { Key = key, Value = value! }, report =>
            {
                if (report.Error.IsFatal)
                    Replace(acks, producer);
                sent.TrySetResult(report.Error.IsError ? Sent.Failed : Sent.Stored);
            });
            return sent.Task;
        }
        catch (KafkaException refused)
        {
            if (refused.Error.IsFatal)
                Replace(acks, producer);
            return Task.FromResult(refused.Error.Code == ErrorCode.Local_QueueFull ? Sent.Full : Sent.Failed);
        }
        catch (ObjectDisposedException)
        {
            // Replaced meanwhile.
            return Task.FromResult(Sent.Failed);
        }
    }

    /// <summary>Sends what is queued, for a while.</summary>
    public void Dispose()
    {
        IProducer<byte[], byte[]>[] all;
        lock (_lock)
        {
            _closed = true;
            all = [.. _producers.Values];
            _producers.Clear();
        }
        Parallel.ForEach(all, producer =>
        {
            producer.Flush(LastWords);
            producer.Dispose();
        });
    }

    private IProducer<byte[], byte[]>? Of(AckLevel acks)
    {
        lock (_lock)
        {
            if (_closed)
                return null;
            if (!_producers.TryGetValue(acks, out var producer))
                _producers.Add(acks, producer = clients.Producer(acks));
            return producer;
        }
    }

    private void Replace(AckLevel acks, IProducer<byte[], byte[]> failed)
    {
        lock (_lock)
        {
            if (!_producers.TryGetValue(acks, out var current) || current != failed)
                return;
            _producers.Remove(acks);
        }
        // Not here: this may be its own thread.
        _ = Task.Run(failed.Dispose);
    }
}
