using System.Buffers.Binary;
using Confluent.Kafka;
using Malha.Resilience;

namespace Malha.Lab.Kafka;

/// <summary>
/// One producer for each level, each to its own topic, at a steady rate whatever the cluster does: who waits for acknowledgements before sending on measures an outage as
/// silence. Values are 1 KB that do not compress, with the run and a sequence in front.
/// </summary>
internal sealed class AckLoad : IDisposable
{
    public const int ValueBytes = 1024;
    public const int SequenceAt = sizeof(ulong);

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);

    /// <summary>Longer than a message lives in the producer.</summary>
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(70);

    private readonly Lane[] _lanes;
    private readonly byte[] _filler = new byte[ValueBytes];
    private readonly ulong _run;
    private readonly AckOptions _options;
    private readonly TimeProvider _time;

    public AckLoad(string bootstrap, Func<AckWord, string> topic, ulong run, AckOptions options, TimeProvider time)
    {
        (_run, _options, _time) = (run, options, time);
        var chance = new Chance(run);
        for (var i = 0; i < _filler.Length; i++)
            _filler[i] = (byte)chance.NextBits();
        // A second more than is asked for: ticks are not exact.
        var capacity = options.Rate * (options.Seconds + 1);
        _lanes = [.. AckLevels.All.Select(level => new Lane(level, topic(level), Build(AckLevels.Producer(level, bootstrap)), new LevelLedger(capacity, time)))];
    }

    public IReadOnlyDictionary<AckWord, LevelLedger> Ledgers => _lanes.ToDictionary(lane => lane.Level, lane => lane.Ledger);

    /// <summary>Sends for as long as was asked, then waits until each message was acknowledged or given up.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Tick, _time);
        var begun = _time.GetTimestamp();
        var length = TimeSpan.FromSeconds(_options.Seconds);
        var elapsed = TimeSpan.Zero;
        while (elapsed < length)
        {
            await timer.WaitForNextTickAsync(cancellation);
            elapsed = _time.GetElapsedTime(begun);
            var due = (int)(Math.Min(elapsed.TotalSeconds, length.TotalSeconds) * _options.Rate);
            foreach (var lane in _lanes)
                Send(lane, due);
        }
        await Task.Run(() => Parallel.ForEach(_lanes, lane => lane.Producer.Flush(FlushPatience)), cancellation);
    }

    public void Dispose()
    {
        foreach (var lane in _lanes)
            lane.Producer.Dispose();
    }

    private static IProducer<byte[], byte[]> Build(ProducerConfig config) =>
        new ProducerBuilder<byte[], byte[]>(config).SetErrorHandler((_, error) => AckLevels.Quiet(error.Reason)).SetLogHandler((_, log) => AckLevels.Quiet(log.Message)).Build();

    private void Send(Lane lane, int due)
    {
        while (lane.Ledger.Sent < due && !lane.Ledger.IsFull)
        {
            var key = new byte[sizeof(int)];
            var value = _filler.AsSpan().ToArray();
            BinaryPrimitives.WriteInt32LittleEndian(key, lane.Ledger.Sent);
            BinaryPrimitives.WriteUInt64LittleEndian(value, _run);
            BinaryPrimitives.WriteInt32LittleEndian(value.AsSpan(SequenceAt), lane.Ledger.Sent);
            try
            {
                lane.Producer.Produce(new TopicPartition(lane.Topic, 0), new Message<byte[], byte[]> { Key = key, Value = value }, lane.Report);
                lane.Ledger.SentOne();
            }
            catch (ProduceException<byte[], byte[]> full) when (full.Error.Code == ErrorCode.Local_QueueFull)
            {
                lane.Ledger.RefusedOne();
                return;
            }
        }
    }

    private sealed record Lane(AckWord Level, string Topic, IProducer<byte[], byte[]> Producer, LevelLedger Ledger)
    {
        // At none the client says NoError and PossiblyPersisted, for those that are lost, too.
        public Action<DeliveryReport<byte[], byte[]>> Report { get; } = report => Ledger.Reported(BinaryPrimitives.ReadInt32LittleEndian(report.Message.Key), report.Error.IsError);
    }
}
