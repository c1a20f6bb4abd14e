using System.Buffers.Binary;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>
/// What Kafka's topics say, materialised in this gateway's RocksDB, so that any gateway can answer, list and cancel. Records are applied in the order of their partitions; applying one again changes
/// nothing, so that it does not matter how far behind the remembered offsets are.
/// <para>
/// An operation's changes are counted in the operation itself. Of two that two gateways made of the same state at the same time, the one that ends it stands; of two ends, the one with the lower number:
/// so all gateways come to the same, in whatever order they hear of it.
/// </para>
/// The reader's thread only, except for what it reads from the log.
/// </summary>
internal sealed class KafkaView(EmbeddedLog log, Action<OperationId> ended, TimeProvider time)
{
    /// <summary>An operation is remembered for so long after it would have expired: a record of it that is read later than that is old, and not delivered again.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromHours(1);

    private const int Tries = 4;

    private readonly List<(Task<LogResult> Write, Operation Operation, ReadOnlyMemory<byte> Body)> _accepted = [];
    private readonly HashSet<OperationId> _touched = [];
    // States of operations whose lane this gateway has not read so far.
    private readonly Dictionary<OperationId, KafkaRecord> _early = [];

    /// <summary>A request that was accepted, or one that waits again.</summary>
    public void ApplyLane(KafkaRecord record, int partition, long offset)
    {
        var operation = record.Operation with { Lane = KafkaNames.Part(record.Operation.Lane, partition), LogOffset = offset };
        if (!_touched.Add(operation.Id))
            Flush();
        if (log.Find(operation.Id).Value is { } known)
        {
            if (operation.Change > known.Change && operation.State == OperationState.Waiting)
                Change(operation, null);
            return;
        }
        if (operation.Expires + Remembered < time.GetUtcNow())
            return;
        Accept(operation, record.Body ?? default);
        if (_early.Remove(operation.Id, out var early))
        {
            Flush();
            ApplyState(early, hasReadLane: true);
        }
    }

    /// <summary>What has become of an operation.</summary>
    /// <param name="record">Its new state.</param>
    /// <param name="hasReadLane">Whether this gateway has read its lane's partition to where it was accepted.</param>
    public void ApplyState(KafkaRecord record, bool hasReadLane)
    {
        var operation = record.Operation with { Lane = KafkaNames.Part(record.Operation.Lane, KafkaNames.PartitionOf(record.Operation)) };
        if (!_touched.Add(operation.Id))
            Flush();
        if (log.Find(operation.Id).Value is not null)
            Change(operation, record.Answer);
        else if (!hasReadLane)
            _early[operation.Id] = record;
        else if (!(operation.Forget < time.GetUtcNow()))
            // Its request is no longer in the lane, since it has ended.
            AcceptEnded(operation, record);
    }

    public void Forget(OperationId id)
    {
        Flush();
        _early.Remove(id);
        if (log.Find(id).Value is { } known)
            Wait(log.ForgetAsync(id, known.Revision, AckLevel.Leader));
    }

    /// <summary>All that was applied is in the log.</summary>
    public void Flush()
    {
        foreach (var (write, operation, body) in _accepted)
        {
            var result = Wait(write);
            // Two gateways were called with the same Idempotency-Key at the same time. Both told their callers; the server tells the second by its Idempotency-Key.
            if (result.Outcome is LogOutcome.Exists or LogOutcome.PayloadDiffers && result.Id != operation.Id)
                Retry(() => log.AcceptAsync(operation with { Deduplication = null }, body));
            else if (!result.IsAcknowledged)
                Retry(() => log.AcceptAsync(operation, body));
        }
        _accepted.Clear();
        _touched.Clear();
    }

    /// <summary>Remembers how far the topics have been read: behind all that was applied, in the order of the log.</summary>
    public void Remember(IReadOnlyDictionary<(string Topic, int Partition), long> offsets, string cluster) =>
        Wait(log.NoteAsync(KafkaOffsets.Write(offsets, cluster)));

    private void Accept(Operation operation, ReadOnlyMemory<byte> body) => _accepted.Add((log.AcceptAsync(operation, body).AsTask(), operation, body));

    private void AcceptEnded(Operation operation, KafkaRecord record)
    {
        // One that waits is in its lane; and without its request it cannot be delivered.
        if (operation.State == OperationState.Waiting)
            return;
        Retry(() => log.AcceptAsync(operation, record.Body ?? default));
        if (record.Answer is { } answer && log.Find(operation.Id).Value is { } stored)
            Wait(log.UpdateAsync(operation with { Revision = stored.Revision }, answer, AckLevel.Leader));
        ended(operation.Id);
    }

    // Someone else may move it up in its key's order at the same time.
    private void Change(Operation next, Answer? answer)
    {
        for (var tries = 0; tries < Tries; tries++)
        {
            if (log.Find(next.Id).Value is not { } known || !IsNewer(next, known))
                return;
            var result = Wait(log.UpdateAsync(next with { Revision = known.Revision, BodyBytes = known.BodyBytes }, answer, AckLevel.Leader));
            if (result.Outcome != LogOutcome.Conflict)
                break;
        }
        if (next.State != OperationState.Waiting)
            ended(next.Id);
    }

    private static bool IsNewer(Operation next, Operation known)
    {
        if (next.Change != known.Change)
            return next.Change > known.Change;
        if (next.State == known.State || next.State == OperationState.Waiting)
            return false;
        return known.State == OperationState.Waiting || next.State < known.State;
    }

    // What is full or being opened again will not be for long; what was read must not be passed over.
    private static void Retry(Func<ValueTask<LogResult>> write)
    {
        using var pause = new ManualResetEventSlim();
        for (var tries = 0; tries < 400; tries++)
        {
            if (Wait(write()).Outcome is not (LogOutcome.Full or LogOutcome.Failed or LogOutcome.DiskNearlyFull))
                return;
            pause.Wait(50);
        }
        throw new IOException("the view of Kafka's topics cannot be written: the disk has failed, or is full");
    }

    private static LogResult Wait(ValueTask<LogResult> write) => write.IsCompleted ? write.Result : write.AsTask().GetAwaiter().GetResult();

    private static LogResult Wait(Task<LogResult> write) => write.GetAwaiter().GetResult();
}

/// <summary>How far topics have been read, as bytes: the cluster's id, and for each partition the next offset.</summary>
internal static class KafkaOffsets
{
    private const byte Version = 1;
    private const int Cluster = 1;
    private const int Entry = 2;
    private const int NumberBytes = sizeof(int) + sizeof(long);

    public static byte[] Write(IReadOnlyDictionary<(string Topic, int Partition), long> offsets, string cluster)
    {
        var fields = new FieldWriter();
        fields.Begin(Version);
        fields.Text(Cluster, cluster);
        Span<byte> numbers = stackalloc byte[NumberBytes];
        foreach (var ((topic, partition), offset) in offsets)
        {
            BinaryPrimitives.WriteInt32LittleEndian(numbers, partition);
            BinaryPrimitives.WriteInt64LittleEndian(numbers[sizeof(int)..], offset);
            fields.Bytes(Entry, [.. numbers, .. System.Text.Encoding.UTF8.GetBytes(topic)]);
        }
        return fields.Written.ToArray();
    }

    /// <summary>Null: these bytes say nothing about this cluster.</summary>
    public static Dictionary<(string Topic, int Partition), long>? Read(ReadOnlySpan<byte> bytes, string cluster)
    {
        var fields = new FieldReader(bytes);
        var offsets = new Dictionary<(string, int), long>();
        var isOurs = false;
        while (fields.Next())
        {
            if (fields.Tag == Cluster)
                isOurs = fields.Text() == cluster;
            else if (fields.Tag == Entry && fields.Value.Length > NumberBytes)
                offsets[(System.Text.Encoding.UTF8.GetString(fields.Value[NumberBytes..]), BinaryPrimitives.ReadInt32LittleEndian(fields.Value))] =
                    BinaryPrimitives.ReadInt64LittleEndian(fields.Value[sizeof(int)..]);
        }
        return fields.Malformed || !isOurs || fields.Version > Version + 1 ? null : offsets;
    }
}
