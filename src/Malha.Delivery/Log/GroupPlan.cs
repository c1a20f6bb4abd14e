using System.Buffers.Binary;
using Malha.Delivery.Operations;
using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>
/// One commit in the making: what each write of a group puts into the batch, judged against the store and against those before it in the group. The writer's thread only,
/// so that between judging and writing nothing else changes.
/// </summary>
internal sealed class GroupPlan : IDisposable
{
    private const int KeysAtATime = 16;

    private readonly Store _store;
    private readonly LaneDepths _depths;
    private readonly WriteBatch _batch = new();
    private readonly FieldWriter _fields = new();
    private readonly Dictionary<OperationId, Operation?> _changed = [];
    private readonly Dictionary<(UInt128, UInt128), (OperationId Id, Deduplication Deduplication)> _deduplicated = [];
    // Who began to wait in this batch, by lane and key, in the order of their positions.
    private readonly Dictionary<(string Lane, string Key), List<OperationId>> _waiting = [];
    private readonly List<LaneChange> _changes = [];
    private readonly List<(Family Family, byte[] Key)> _old = [];
    private readonly List<(Family Family, byte[] Key)> _new = [];
    private readonly byte[] _id = new byte[OperationId.Length];
    private long _position;

    public GroupPlan(Store store, LaneDepths depths)
    {
        (_store, _depths) = (store, depths);
        _position = store.LastPosition() ?? 0;
    }

    public WriteBatch Batch => _batch;

    public bool IsEmpty => _batch.Count() == 0;

    /// <summary>What it changes in lanes.</summary>
    public IReadOnlyList<LaneChange> Changes => _changes;

    /// <summary>The writes before are in the store, or never will be.</summary>
    public void Begin()
    {
        _batch.Clear();
        _changed.Clear();
        _deduplicated.Clear();
        _waiting.Clear();
        _changes.Clear();
    }

    /// <summary>To be called when all of a group were added.</summary>
    public void End()
    {
        if (IsEmpty)
            return;
        Span<byte> position = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(position, _position);
        _store.Put(_batch, Family.Meta, StoreKeys.PositionKey, position);
    }

    /// <summary>What its caller is to be told once the batch is as durable as it asked for.</summary>
    /// <param name="command">The write.</param>
    /// <param name="again">It was in a batch that failed.</param>
    public LogResult Add(LogCommand command, bool again) => command switch
    {
        LogCommand.Accept accept => Accept(accept, again),
        LogCommand.Update update => new LogResult(Update(update), command.Id),
        LogCommand.Forget forget => new LogResult(Forget(forget), command.Id),
        LogCommand.Note note => Note(note),
        _ => throw new InvalidOperationException(command.GetType().Name),
    };

    private LogResult Note(LogCommand.Note note)
    {
        _store.Put(_batch, Family.Meta, StoreKeys.NoteKey, note.Text);
        return new LogResult(LogOutcome.Done, note.Id);
    }

    private LogResult Accept(LogCommand.Accept accept, bool again)
    {
        var operation = accept.Operation;
        // Written by a batch that failed, and there all the same.
        if (again && Current(operation.Id, out _) is not null)
            return new LogResult(LogOutcome.Exists, operation.Id);
        if (operation.Deduplication is { } deduplication)
        {
            if (Find(deduplication) is { } found)
                return new LogResult(found.Deduplication.Payload.Span.SequenceEqual(deduplication.Payload.Span) ? LogOutcome.Exists : LogOutcome.PayloadDiffers, found.Id);
            _deduplicated[Name(deduplication)] = (operation.Id, deduplication);
            _store.Put(_batch, Family.Deduplication, deduplication.Caller.Span, [.. Id(operation.Id), .. deduplication.Bytes]);
        }

        operation = Queue(operation) with { Revision = 1, BodyBytes = accept.Body.Length };
        if (!accept.Body.IsEmpty)
            _store.Put(_batch, Family.Bodies, Id(operation.Id), accept.Body.Span);
        Replace(null, operation);
        return new LogResult(LogOutcome.Done, operation.Id);
    }

    private LogOutcome Update(LogCommand.Update update)
    {
        var current = Current(update.Id, out var damaged);
        if (current is null)
            return damaged ? LogOutcome.Failed : LogOutcome.NotFound;
        if (current.Revision != update.Operation.Revision)
            return LogOutcome.Conflict;

        var next = update.Operation with { Revision = current.Revision + 1, Position = current.Position, IsBehind = current.IsBehind, Deduplication = current.Deduplication };
        // Who waits again does so behind all that came meanwhile: those of its key went on without it.
        if (next.State == OperationState.Waiting && current.State != OperationState.Waiting)
            next = Queue(next);
        if (update.Answer is { } answer)
        {
            next = next with { AnswerStatus = answer.Status };
            OperationFormat.Write(answer, _fields);
            _store.Put(_batch, Family.Answers, Id(next.Id), _fields.Written);
        }
        Replace(current, next);
        return LogOutcome.Done;
    }

    private LogOutcome Forget(LogCommand.Forget forget)
    {
        var current = Current(forget.Id, out var damaged);
        if (current is null)
            return damaged ? LogOutcome.Failed : LogOutcome.NotFound;
        if (current.Revision != forget.Revision)
            return LogOutcome.Conflict;

        foreach (var family in (ReadOnlySpan<Family>)[Family.Operations, Family.Bodies, Family.Answers])
            _store.Delete(_batch, family, Id(current.Id));
        if (current.Deduplication is { } deduplication)
            _store.Delete(_batch, Family.Deduplication, deduplication.Caller.Span);
        Entries(current, _old);
        foreach (var (family, key) in _old)
            _store.Delete(_batch, family, key);
        _changed[current.Id] = null;
        Left(current, null);
        return LogOutcome.Done;
    }

    // A place at the end of its lane and key.
    private Operation Queue(Operation operation)
    {
        if (operation.Key.Length == 0)
            return operation with { Position = ++_position, IsBehind = false };
        var isBehind = IsWaitedFor(operation.Lane, operation.Key);
        if (!_waiting.TryGetValue((operation.Lane, operation.Key), out var waiting))
            _waiting.Add((operation.Lane, operation.Key), waiting = []);
        waiting.Add(operation.Id);
        return operation with { Position = ++_position, IsBehind = isBehind };
    }

    // Who waited and does no more: the next one of its key may be tried.
    private void Left(Operation gone, DateTimeOffset? at)
    {
        if (gone.State != OperationState.Waiting)
            return;
        _changes.Add(new LaneChange(gone.Lane, -1, null, gone.Key));
        // Due from when it is its turn, and not since it was made: whoever looks for what is due need not look back.
        if (gone.Key.Length > 0 && !gone.IsBehind && First(gone.Lane, gone.Key, gone.Position) is { IsBehind: true } next)
            Replace(next, next with { IsBehind = false, Due = at > next.Due ? at.Value : next.Due, Revision = next.Revision + 1 });
    }

    // Whether anybody waits of a key. The last one does, if anybody does: they leave at the front, where what was deleted would have to be passed over.
    private bool IsWaitedFor(string lane, string key)
    {
        var start = StoreKeys.KeyStart(lane, key);
        if (!_depths.MayWait(start))
            return IsAdded(lane, key);
        return (_store.Last(Family.Keys, start) is { } last && Current(OperationId.Read(last), out _) is { State: OperationState.Waiting }) || First(lane, key, 0) is not null;
    }

    private bool IsAdded(string lane, string key) =>
        _waiting.TryGetValue((lane, key), out var added) && added.Exists(id => _changed.GetValueOrDefault(id) is { State: OperationState.Waiting });

    // The first that waits of a key behind a position, as this batch will leave it.
    private Operation? First(string lane, string key, long after)
    {
        var start = StoreKeys.KeyStart(lane, key);
        var from = StoreKeys.Key(lane, key, after + 1);
        while (true)
        {
            var found = _store.Scan(Family.Keys, from, start, KeysAtATime);
            foreach (var (_, id) in found)
            {
                if (Current(OperationId.Read(id), out _) is { State: OperationState.Waiting } waiting)
                    return waiting;
            }
            if (found.Count < KeysAtATime)
                break;
            from = [.. found[^1].Key, 0];
        }
        foreach (var id in _waiting.GetValueOrDefault((lane, key)) ?? [])
        {
            if (_changed.GetValueOrDefault(id) is { State: OperationState.Waiting } waiting)
                return waiting;
        }
        return null;
    }

    private void Replace(Operation? current, Operation next)
    {
        Entries(current, _old);
        Entries(next, _new);
        foreach (var (family, key) in _old)
        {
            if (!Has(_new, family, key))
                _store.Delete(_batch, family, key);
        }
        var id = Id(next.Id);
        foreach (var (family, key) in _new)
        {
            if (!Has(_old, family, key))
                _store.Put(_batch, family, key, id);
        }
        OperationFormat.Write(next, _fields);
        _store.Put(_batch, Family.Operations, id, _fields.Written);
        _changed[next.Id] = next;
        if (next.State != OperationState.Waiting)
        {
            if (current is not null)
                Left(current, next.Finished);
            return;
        }
        var isNew = current?.State != OperationState.Waiting;
        if (isNew || !next.IsBehind)
            _changes.Add(new LaneChange(next.Lane, isNew ? 1 : 0, next.IsBehind ? null : next.Due, isNew ? next.Key : ""));
    }

    private Operation? Current(OperationId id, out bool damaged)
    {
        damaged = false;
        return _changed.TryGetValue(id, out var changed) ? changed : _store.Operation(id, out damaged);
    }

    private (OperationId Id, Deduplication Deduplication)? Find(Deduplication deduplication)
    {
        if (_deduplicated.TryGetValue(Name(deduplication), out var before))
            return before;
        var stored = StoredDeduplication(_store.Get(Family.Deduplication, deduplication.Caller.Span));
        // Forgotten by a write before it in this group.
        return stored is { } found && _changed.TryGetValue(found.Id, out var changed) && changed is null ? null : stored;
    }

    /// <summary>Null: no entry, or one that cannot be read.</summary>
    public static (OperationId Id, Deduplication Deduplication)? StoredDeduplication(byte[]? value) =>
        value is { Length: OperationId.Length + Deduplication.Length } && Deduplication.Read(value.AsSpan(OperationId.Length)) is { } deduplication
            ? (OperationId.Read(value), deduplication)
            : null;

    public void Dispose() => _batch.Dispose();

    private static (UInt128, UInt128) Name(Deduplication deduplication)
    {
        var caller = deduplication.Caller.Span;
        return (BinaryPrimitives.ReadUInt128BigEndian(caller), BinaryPrimitives.ReadUInt128BigEndian(caller[16..]));
    }

    // The batch copies what it is given.
    private byte[] Id(OperationId id)
    {
        id.Write(_id);
        return _id;
    }

    private static void Entries(Operation? operation, List<(Family Family, byte[] Key)> entries)
    {
        entries.Clear();
        if (operation is not null)
            StoreKeys.Entries(operation, entries);
    }

    private static bool Has(List<(Family Family, byte[] Key)> entries, Family family, byte[] key)
    {
        foreach (var entry in entries)
        {
            if (entry.Family == family && entry.Key.AsSpan().SequenceEqual(key))
                return true;
        }
        return false;
    }
}
