using System.Collections.Concurrent;
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
    private readonly Dictionary<AckLevel, Line> _lines = [];
    private bool _closed;

    /// <summary>Sends a record; never waits for room, and never throws for what Kafka does. It always ends: at the latest when its producer does.</summary>
    public Task<Sent> SendAsync(AckLevel acks, TopicPartition to, byte[] key, byte[]? value)
    {
        Line? line = null;
        var sent = new TaskCompletionSource<Sent>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            line = Of(acks);
            if (line is null)
                return Task.FromResult(Sent.Failed);
            line.Pending[sent] = 0;
            line.Producer.Produce(to, new Message<byte[], byte[]> { Key = key, Value = value! }, report =>
            {
                line.Pending.TryRemove(sent, out _);
                if (report.Error.IsFatal)
                    Replace(acks, line);
                sent.TrySetResult(report.Error.IsError ? Sent.Failed : Sent.Stored);
            });
            return sent.Task;
        }
        catch (KafkaException refused)
        {
            line?.Pending.TryRemove(sent, out _);
            if (refused.Error.IsFatal && line is not null)
                Replace(acks, line);
            return Task.FromResult(refused.Error.Code == ErrorCode.Local_QueueFull ? Sent.Full : Sent.Failed);
        }
        catch (InvalidOperationException)
        {
            // Replaced meanwhile; or librdkafka does not take its settings: a file of a certificate has gone, say.
            line?.Pending.TryRemove(sent, out _);
            return Task.FromResult(Sent.Failed);
        }
    }

    /// <summary>Sends what is queued, for a while.</summary>
    public void Dispose()
    {
        Line[] all;
        lock (_lock)
        {
            _closed = true;
            all = [.. _lines.Values];
            _lines.Clear();
        }
        Parallel.ForEach(all, line => line.Dispose());
    }

    private Line? Of(AckLevel acks)
    {
        lock (_lock)
        {
            if (_closed)
                return null;
            if (!_lines.TryGetValue(acks, out var line))
                _lines.Add(acks, line = new Line(clients.Producer(acks)));
            return line;
        }
    }

    private void Replace(AckLevel acks, Line failed)
    {
        lock (_lock)
        {
            if (!_lines.TryGetValue(acks, out var current) || current != failed)
                return;
            _lines.Remove(acks);
        }
        // Not here: this may be its own thread.
        _ = Task.Run(failed.Dispose);
    }

    /// <summary>A producer, and what it has not reported on. What it has not when it ends, it never will: whoever waits for that must be told so, or waits for ever.</summary>
    private sealed class Line(IProducer<byte[], byte[]> producer) : IDisposable
    {
        public IProducer<byte[], byte[]> Producer => producer;

        public ConcurrentDictionary<TaskCompletionSource<Sent>, byte> Pending { get; } = new();

        public void Dispose()
        {
            try
            {
                producer.Flush(LastWords);
            }
            catch (KafkaException)
            {
                // One that has failed for good has nothing more to send.
            }
            producer.Dispose();
            foreach (var sent in Pending.Keys)
                sent.TrySetResult(Sent.Failed);
            Pending.Clear();
        }
    }
}
