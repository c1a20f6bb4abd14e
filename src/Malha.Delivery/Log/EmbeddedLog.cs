using Malha.Delivery.Operations;
using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>
/// The durable lane's log on this machine's disk. Writes are values in and values out: what a caller must expect (full, no space, a failed disk) is a
/// <see cref="LogOutcome"/>, and an acknowledgement holds what its <see cref="AckLevel"/> says whatever happens afterwards. docs/durable-lane.md has the promises,
/// docs/decisions/0012 the reasons.
/// </summary>
internal sealed class EmbeddedLog : IOperationStore
{
    private readonly EmbeddedLogConfig _config;
    private readonly TimeProvider _time;
    private readonly FileStream _lock;
    private readonly WriteQueue _queue;
    private readonly AckGate _gate;
    private readonly SpaceGuard _space;
    private readonly LogWriter _writer;
    private readonly LaneDepths _depths = new();
    private OpenReport _lastReport;

    private EmbeddedLog(EmbeddedLogConfig config, TimeProvider time, Func<long>? freeSpace, FileStream @lock, OpenReport report, Store store, AckMarker marker)
    {
        (_config, _time, _lock, _lastReport) = (config, time, @lock, report);
        _queue = new WriteQueue(config.QueueCount, config.QueueBytes);
        Measures = new LogMeasures(_queue);
        _gate = new AckGate(_queue, Measures, time);
        _space = new SpaceGuard(config, config.Path, time, freeSpace);
        _space.Reserve();
        _gate.Open(marker);
        _writer = new LogWriter(config, _queue, _gate, new LogSyncer(_gate, Measures, time), _space, Measures, _depths, store, reopened => Volatile.Write(ref _lastReport, reopened));
    }

    public LogMeasures Measures { get; }

    public Action<string, DateTimeOffset>? Moved
    {
        get => _depths.Moved;
        set => _depths.Moved = value;
    }

    /// <summary>Never called: nobody else has this log.</summary>
    public Action<OperationId>? Ended { get; set; }

    /// <summary>What opening found, the last time that it was opened.</summary>
    public OpenReport LastReport => Volatile.Read(ref _lastReport);

    /// <summary>Why nothing is acknowledged at present; null: all is well.</summary>
    public string? Failure => _gate.Failure;

    /// <summary>The last sequence that is in the log; 0 while it is closed.</summary>
    public ulong LatestSequence => Read(store => new Sequence(store.LatestSequence)).Value?.Number ?? 0;

    /// <summary>Opens or creates the log. No log: the report says why.</summary>
    public static (OpenReport Report, EmbeddedLog? Log) Open(EmbeddedLogConfig config, TimeProvider time, Func<long>? freeSpace = null)
    {
        if (LogOpening.TryLock(config.Path) is not { } @lock)
            return (OpenReport.Refused(OpenOutcome.InUse, $"{config.Path} cannot be locked: another process has it open, or it may not be written"), null);
        var (report, store, marker) = LogOpening.Open(config);
        if (store is not null)
            return (report, new EmbeddedLog(config, time, freeSpace, @lock, report, store, marker!));
        @lock.Dispose();
        return (report, null);
    }

    public Durability DurabilityOf(Operation operation) => new(operation.Acks, operation.Acks switch { AckLevel.None => "memory", AckLevel.Leader => "operating-system", _ => "local-disk" }, 1);

    /// <summary>
    /// Stores a new operation. At <c>none</c> it ends when it is queued, unless an Idempotency-Key must be looked up first. Position and revision are given by the log.
    /// </summary>
    public ValueTask<LogResult> AcceptAsync(Operation operation, ReadOnlyMemory<byte> body, CancellationToken cancellation = default)
    {
        if (!StoreKeys.Fit(operation) || body.Length > _config.MaxBodyBytes)
            return new(new LogResult(LogOutcome.TooLarge, operation.Id));
        if (_space.Look())
            return new(new LogResult(LogOutcome.DiskNearlyFull, operation.Id));
        return WriteAsync(new LogCommand.Accept(operation, body), operation.Acks, operation.Acks == AckLevel.None && operation.Deduplication is null, cancellation);
    }

    /// <summary>Stores an operation's new state, and the answer if it has one now. Its revision must be the one that was read.</summary>
    public ValueTask<LogResult> UpdateAsync(Operation operation, Answer? answer, AckLevel acks, CancellationToken cancellation = default) =>
        answer?.Body.Length > _config.MaxBodyBytes
            ? new(new LogResult(LogOutcome.TooLarge, operation.Id))
            : WriteAsync(new LogCommand.Update(operation, answer), Written(acks), false, cancellation);

    /// <summary>Removes all that there is of an operation.</summary>
    public ValueTask<LogResult> ForgetAsync(OperationId id, long revision, AckLevel acks, CancellationToken cancellation = default) =>
        WriteAsync(new LogCommand.Forget(id, revision), Written(acks), false, cancellation);

    /// <summary>Stores a note of whoever uses the log instead of the one before: it is there when all is that was stored before it.</summary>
    public ValueTask<LogResult> NoteAsync(byte[] note, CancellationToken cancellation = default) => WriteAsync(new LogCommand.Note(note), AckLevel.Leader, false, cancellation);

    public LogRead<byte[]> Note() => Read(store => store.Get(Family.Meta, StoreKeys.NoteKey));

    public LogRead<Operation> Find(OperationId id) => Read(store => store.Operation(id, out var damaged) is var found && damaged ? throw new DamagedRecord() : found);

    public ValueTask<LogRead<Operation>> FindAsync(OperationId id, CancellationToken cancellation = default) => new(Find(id));

    /// <summary>The request's body; of an operation without one, an empty one.</summary>
    public LogRead<byte[]> Body(OperationId id) => Read(store => store.Get(Family.Bodies, id.ToArray()) ?? (store.Get(Family.Operations, id.ToArray()) is null ? null : []));

    public LogRead<Answer> Answer(OperationId id) =>
        Read(store => store.Get(Family.Answers, id.ToArray()) is { } bytes ? OperationFormat.ReadAnswer(bytes) ?? throw new DamagedRecord() : null);

    /// <summary>The operation that a call with this Idempotency-Key made.</summary>
    public LogRead<Operation> Find(Deduplication deduplication) => Read(store =>
        GroupPlan.StoredDeduplication(store.Get(Family.Deduplication, deduplication.Caller.Span)) is { } found ? store.Operation(found.Id, out _) : null);

    /// <summary>Lanes in which something waits.</summary>
    public LogRead<IReadOnlyList<string>> Lanes() => Read(store => LogReads.Lanes(store, Family.Lanes));

    public int Depth(string lane) => _depths[lane];

    public int Before(string lane, long position, int most) =>
        Read(store => new Sequence((ulong)_depths.Before(store, lane, position, most))).Value is { } count ? (int)count.Number : 0;

    /// <summary>What waits in a lane behind a position, in the order of acceptance.</summary>
    public LogRead<IReadOnlyList<LogEntry>> Lane(string lane, long after, int count) =>
        Read(store => LogReads.Entries(store, Family.Lanes, StoreKeys.Lane(lane, after + 1), StoreKeys.LaneStart(lane), count));

    /// <summary>What waits of one key, in the order of acceptance.</summary>
    public LogRead<IReadOnlyList<LogEntry>> Key(string lane, string key, int count) =>
        Read(store => LogReads.Entries(store, Family.Keys, StoreKeys.KeyStart(lane, key), StoreKeys.KeyStart(lane, key), count));

    /// <summary>What may be tried in a lane that falls due from one time to another, first due first.</summary>
    public LogRead<IReadOnlyList<DueEntry>> DueAttempts(string lane, DateTimeOffset from, DateTimeOffset until, int count) =>
        Read(store => LogReads.Due(store, StoreKeys.AttemptStart(lane), from, until, count));

    /// <summary>What expires, or is to be forgotten, by now.</summary>
    public LogRead<IReadOnlyList<DueEntry>> Due(DueKind kind, DateTimeOffset now, int count) =>
        Read(store => LogReads.Due(store, [(byte)kind], DateTimeOffset.UnixEpoch, now, count));

    public LogRead<IReadOnlyList<string>> CallbackHosts() => Read(LogReads.CallbackHosts);

    public LogRead<IReadOnlyList<DueEntry>> DueCallbacks(string host, DateTimeOffset from, DateTimeOffset until, int count) =>
        Read(store => LogReads.Due(store, StoreKeys.CallbackStart(host), from, until, count));

    /// <summary>Lanes that have dead letters.</summary>
    public LogRead<IReadOnlyList<string>> DeadLanes() => Read(store => LogReads.Lanes(store, Family.Dead));

    /// <summary>A lane's dead letters behind an entry (null: from the first), oldest first.</summary>
    public LogRead<IReadOnlyList<LogEntry>> DeadLetters(string lane, LogEntry? after, int count) => Read(store =>
        LogReads.Entries(store, Family.Dead, after is null ? StoreKeys.LaneStart(lane) : [.. after.Key, 0], StoreKeys.LaneStart(lane), count));

    /// <summary>Operations of one client behind a position, in the order of acceptance: those that wait, or those that do no more.</summary>
    public LogRead<IReadOnlyList<LogEntry>> Owner(string owner, bool waits, long after, int count) =>
        Read(store => LogReads.Entries(store, Family.Owners, StoreKeys.Owner(owner, waits, after + 1), StoreKeys.OwnerStart(owner, waits), count));

    /// <summary>All operations behind one (null: from the first), by the time that they were made. What cannot be read is left out.</summary>
    public LogRead<IReadOnlyList<Operation>> All(OperationId? after, int count) => Read<IReadOnlyList<Operation>>(store =>
        [.. store.Scan(Family.Operations, after is { } last ? [.. last.ToArray(), 0] : [], [], count).Select(entry => OperationFormat.Read(entry.Value)).OfType<Operation>()]);

    /// <summary>Writes and syncs what is queued, and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Refuse(LogOutcome.Failed);
        // It takes as long as the disk does: not on the caller's thread.
        await Task.Run(_writer.Dispose);
        _space.Dispose();
        Measures.Dispose();
        await _lock.DisposeAsync();
    }

    private ValueTask<LogResult> WriteAsync(LogCommand command, AckLevel acks, bool atOnce, CancellationToken cancellation)
    {
        var pending = new PendingWrite(command, acks, _time.GetTimestamp());
        if (_queue.TryAdd(pending) is { } refusal)
            return new(new LogResult(refusal, command.Id));
        return atOnce ? new(new LogResult(LogOutcome.Done, command.Id)) : pending.Wait(cancellation);
    }

    // Changes are judged against the store, so that their outcome is not known before they are written.
    private static AckLevel Written(AckLevel acks) => acks == AckLevel.None ? AckLevel.Leader : acks;

    private LogRead<T> Read<T>(Func<Store, T?> read)
        where T : class
    {
        if (_writer.Store is not { } store || !store.TryEnter())
            return new LogRead<T>(ReadOutcome.Unavailable, null);
        try
        {
            return read(store) is { } value ? new LogRead<T>(ReadOutcome.Found, value) : new LogRead<T>(ReadOutcome.NotFound, null);
        }
        catch (Exception damaged) when (damaged is RocksDbException or DamagedRecord)
        {
            return new LogRead<T>(ReadOutcome.Damaged, null);
        }
        finally
        {
            store.Exit();
        }
    }

    private sealed record Sequence(ulong Number);


    private sealed class DamagedRecord : Exception;
}
