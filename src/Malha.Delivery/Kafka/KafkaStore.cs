using System.Collections.Concurrent;
using Confluent.Kafka;
using Malha.Configuration;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>
/// The durable lane on Kafka. A request is accepted when Kafka has it, as its acks say, or when this machine's disk has it, should Kafka be late (<see cref="Spill"/>). What becomes of it is written to
/// malha.ops. Every gateway has all of it in a view of its own and reads from there; each delivers the partitions that the group gave it. docs/kafka.md has the promises, docs/decisions/0014 the reasons.
/// </summary>
internal sealed class KafkaStore : IOperationStore
{
    /// <summary>A client does not wait longer for a broker that may be dying: then the disk must do.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    /// <summary>While Kafka is known to be late: enough to see that it no longer is.</summary>
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(20);

    /// <summary>An operation that was made longer ago than this is in the view, unless the view says itself that it is behind.</summary>
    private static readonly TimeSpan Young = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan CatchUpPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan PublishAgainEvery = TimeSpan.FromSeconds(1);

    private readonly DeliveryConfig _config;
    private readonly TimeProvider _time;
    private readonly EmbeddedLog _view;
    private readonly IAdminClient _admin;
    private readonly KafkaTopics _topics;
    private readonly KafkaProducers _producers;
    private readonly KafkaReader _reader;
    private readonly Spill _spill;
    private readonly Ownership _owned;
    private readonly RecentKeys _recent;
    private readonly ConcurrentDictionary<OperationId, byte> _unpublished = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _publishing;
    private volatile bool _isLate;

    private KafkaStore(DeliveryConfig config, TimeProvider time, EmbeddedLog view, EmbeddedLog spill, Func<string, bool> delivers)
    {
        (_config, _time, _view) = (config, time, view);
        var clients = new KafkaClients(config.Kafka!, error => LastError = error.Reason);
        _admin = clients.Admin();
        _topics = new KafkaTopics(config.Kafka!, _admin);
        _producers = new KafkaProducers(clients);
        _owned = new Ownership(part => Moved?.Invoke(KafkaNames.WholeOf(part), DateTimeOffset.UnixEpoch));
        _recent = new RecentKeys(time);
        view.Moved = (part, due) =>
        {
            if (_owned.Has(part))
                Moved?.Invoke(KafkaNames.WholeOf(part), due);
        };
        _reader = new KafkaReader(clients, _admin, _topics, view, new KafkaView(view, id => Ended?.Invoke(id), time), _owned, delivers, () => _unpublished.IsEmpty, time);
        foreach (var lane in spill.Lanes().Value ?? [])
            _reader.AddLane(lane);
        _spill = new Spill(spill, _producers, _topics, time);
        _publishing = Task.Run(PublishAgainAsync);
    }

    public Action<string, DateTimeOffset>? Moved { get; set; }

    public Action<OperationId>? Ended { get; set; }

    /// <summary>Kafka's absence is no failure: what is accepted meanwhile goes to the disk.</summary>
    public string? Failure => _view.Failure ?? _spill.Log.Failure;

    /// <summary>Why Kafka is not read; null: it is.</summary>
    public string? Problem => _reader.Problem is { } problem ? LastError is { } error ? $"{problem} ({error})" : problem : null;

    /// <summary>What librdkafka said last.</summary>
    public string? LastError { get; private set; }

    /// <summary>How many parts of a lane this gateway delivers.</summary>
    public int Owned(string lane) => _owned.Count(lane);

    /// <summary>Whether something waits on this machine's disk for Kafka.</summary>
    public bool HasSpilled => !_spill.IsEmpty;

    /// <summary>Opens the view and the spill. Kafka need not be there: it is looked for from then on.</summary>
    /// <param name="config">What the file says.</param>
    /// <param name="log">How logs on the disk are opened; both are in its folder.</param>
    /// <param name="delivers">Whether this gateway has the service of a lane.</param>
    /// <param name="time">The clock.</param>
    public static (string? Problem, KafkaStore? Store) Open(DeliveryConfig config, EmbeddedLogConfig log, Func<string, bool> delivers, TimeProvider time)
    {
        var (seen, view) = EmbeddedLog.Open(log with { Path = Path.Combine(log.Path, "view") }, time);
        if (view is null)
            return (seen.Message, null);
        var (kept, spill) = EmbeddedLog.Open(log with { Path = Path.Combine(log.Path, "spill") }, time);
        var problem = kept.Message;
        try
        {
            if (spill is not null)
                return (null, new KafkaStore(config, time, view, spill, delivers));
        }
        catch (InvalidOperationException refused)
        {
            // librdkafka does not take its settings: a certificate that it cannot read, say.
            problem = $"delivery.kafka: {refused.Message}";
            spill!.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
        view.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return (problem, null);
    }

    public Durability DurabilityOf(Operation operation) => _spill.Has(operation.Id) ? _spill.Log.DurabilityOf(operation) : operation.Acks switch
    {
        AckLevel.None => new(AckLevel.None, "memory", 1),
        AckLevel.Leader => new(AckLevel.Leader, "kafka", 1),
        _ => new(AckLevel.All, "kafka", _config.Kafka!.Replication),
    };

    public async ValueTask<LogResult> AcceptAsync(Operation operation, ReadOnlyMemory<byte> body, CancellationToken cancellation = default)
    {
        if (!StoreKeys.Fit(operation) || body.Length > _config.MaxBody || !KafkaNames.IsLane(operation.Lane))
            return new LogResult(LogOutcome.TooLarge, operation.Id);
        if (operation.Deduplication is { } deduplication && Before(deduplication, operation.Id) is { } before)
            return before;
        var result = await SendAsync(operation with { BodyBytes = body.Length, Change = 1 }, body, cancellation);
        if (!result.IsAcknowledged && operation.Deduplication is { } unused)
            _recent.Remove(unused);
        return result;
    }

    public async ValueTask<LogResult> UpdateAsync(Operation operation, Answer? answer, AckLevel acks, CancellationToken cancellation = default)
    {
        if (_view.Find(operation.Id).Value is not { } known)
            return await _spill.UpdateAsync(operation, answer, acks, cancellation);
        if (operation.State == OperationState.Waiting && known.State != OperationState.Waiting)
            return await QueueAgainAsync(operation, known);

        // That it waits a while longer, without having been tried, is nobody else's business.
        var isPublic = operation.State != OperationState.Waiting || operation.AttemptCount != known.AttemptCount || operation.Attempts.Count != known.Attempts.Count;
        var next = operation with { Lane = known.Lane, LogOffset = known.LogOffset, Change = known.Change + (isPublic ? 1 : 0), Forget = NotBeforeItExpires(operation) };
        var result = await _view.UpdateAsync(next, answer, AckLevel.Leader, cancellation);
        if (result.Outcome != LogOutcome.Done || !isPublic)
            return result;
        _unpublished[next.Id] = 0;
        var publishing = PublishAsync(next.Id);
        await Task.WhenAny(publishing, Task.Delay(LongestWait, _time, cancellation));
        return result;
    }

    public async ValueTask<LogResult> ForgetAsync(OperationId id, long revision, AckLevel acks, CancellationToken cancellation = default)
    {
        if (_view.Find(id).Value is not { } known)
        {
            await _spill.DropAsync(id);
            return new LogResult(LogOutcome.Done, id);
        }
        var result = await _view.ForgetAsync(id, revision, acks, cancellation);
        // Whoever delivers the partition tidies up for all.
        if (result.Outcome == LogOutcome.Done && _owned.Has(known.Lane))
            await _producers.SendAsync(AckLevel.All, StatePartition(id), id.ToArray(), null);
        return result;
    }

    public async ValueTask<LogRead<Operation>> FindAsync(OperationId id, CancellationToken cancellation = default)
    {
        var found = Local(id);
        // The name tells when it was made: only what is younger than the view can be unknown to it.
        if (found.Outcome != ReadOutcome.NotFound || id.Created < _time.GetUtcNow() - Young)
            return found;
        return await _reader.CatchUpAsync(CatchUpPatience, cancellation) ? Local(id) : found;
    }

    public LogRead<Operation> Find(Deduplication deduplication) =>
        _view.Find(deduplication) is { Outcome: not ReadOutcome.NotFound } found ? Whole(found) : _spill.Log.Find(deduplication);

    public LogRead<byte[]> Body(OperationId id) => _view.Body(id) is { Outcome: not ReadOutcome.NotFound } found ? found : _spill.Log.Body(id);

    public LogRead<Answer> Answer(OperationId id) => _view.Answer(id) is { Outcome: not ReadOutcome.NotFound } found ? found : _spill.Log.Answer(id);

    public LogRead<IReadOnlyList<string>> Lanes()
    {
        var parts = _view.Lanes();
        return new(parts.Outcome, [.. (parts.Value ?? []).Select(KafkaNames.WholeOf).Concat(_spill.IsEmpty ? [] : _spill.Log.Lanes().Value ?? []).Distinct()]);
    }

    public LogRead<IReadOnlyList<string>> DeadLanes()
    {
        var parts = _view.DeadLanes();
        return new(parts.Outcome, [.. (parts.Value ?? []).Select(KafkaNames.WholeOf).Distinct()]);
    }

    public int Depth(string lane) => KafkaNames.Parts(lane).Sum(_view.Depth) + (_spill.IsEmpty ? 0 : _spill.Log.Depth(lane));

    public int Before(string lane, long position, int most)
    {
        var count = 0;
        foreach (var part in KafkaNames.Parts(lane))
            count += count < most ? _view.Before(part, position, most - count) : 0;
        return count;
    }

    public LogRead<IReadOnlyList<LogEntry>> Lane(string lane, long after, int count) =>
        Merge(KafkaNames.Parts(lane), part => _view.Lane(part, after, count), entry => entry.Position, count);

    public LogRead<IReadOnlyList<LogEntry>> Key(string lane, string key, int count)
    {
        var found = _view.Key(KafkaNames.Part(lane, KafkaNames.PartitionOf(key)), key, count);
        return found.Value is { Count: > 0 } || _spill.IsEmpty ? found : _spill.Log.Key(lane, key, count);
    }

    // The configuration refuses callbacks with this engine.
    public LogRead<IReadOnlyList<string>> CallbackHosts() => new(ReadOutcome.Found, []);

    public LogRead<IReadOnlyList<DueEntry>> DueCallbacks(string host, DateTimeOffset from, DateTimeOffset until, int count) => new(ReadOutcome.Found, []);

    public LogRead<IReadOnlyList<DueEntry>> DueAttempts(string lane, DateTimeOffset from, DateTimeOffset until, int count) =>
        Merge(KafkaNames.Parts(lane).Where(_owned.Has), part => _view.DueAttempts(part, from, until, count), entry => entry.At.UtcTicks, count);

    // What others deliver they also let expire; what has ended everybody forgets.
    public LogRead<IReadOnlyList<DueEntry>> Due(DueKind kind, DateTimeOffset now, int count)
    {
        var found = _view.Due(kind, now, count);
        var spilled = _spill.Log.Due(kind, now, count).Value ?? [];
        return kind == DueKind.Forget
            ? new(found.Outcome, [.. found.Value ?? [], .. spilled])
            : new(found.Outcome, [.. (found.Value ?? []).Where(entry => _view.Find(entry.Id).Value is { } operation && _owned.Has(operation.Lane)), .. spilled]);
    }

    public LogRead<IReadOnlyList<LogEntry>> DeadLetters(string lane, LogEntry? after, int count)
    {
        // An entry is lane, time and position: the same time and position begins each part.
        var behind = after?.Key[^(2 * sizeof(long))..];
        return Merge(KafkaNames.Parts(lane), part => _view.DeadLetters(part, behind is null ? null : after! with { Key = [.. StoreKeys.LaneStart(part), .. behind] }, count),
            entry => (StoreKeys.Position(entry.Key.AsSpan(0, entry.Key.Length - sizeof(long))), entry.Position), count);
    }

    public LogRead<IReadOnlyList<LogEntry>> Owner(string owner, bool waits, long after, int count) => _view.Owner(owner, waits, after, count);

    public LogRead<IReadOnlyList<Operation>> All(OperationId? after, int count)
    {
        var found = _view.All(after, count);
        return new(found.Outcome, found.Value is null ? null : [.. found.Value.Select(Whole)]);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _publishing;
        await Task.Run(_reader.Dispose);
        await Task.Run(_producers.Dispose);
        await _spill.DisposeAsync();
        _admin.Dispose();
        await _view.DisposeAsync();
        _stopping.Dispose();
    }

    private static TopicPartition StatePartition(OperationId id) => new(KafkaNames.Operations, KafkaNames.PartitionOf(id));

    private static Operation Whole(Operation operation) => operation with { Lane = KafkaNames.WholeOf(operation.Lane) };

    private static LogRead<Operation> Whole(LogRead<Operation> found) => found.Value is { } operation ? new(found.Outcome, Whole(operation)) : found;

    private LogRead<Operation> Local(OperationId id) => _view.Find(id) is { Outcome: not ReadOutcome.NotFound } found ? Whole(found) : _spill.Log.Find(id);

    // A record of it that is read after it was forgotten would be a new request: it is forgotten when no such record counts any more.
    private static DateTimeOffset? NotBeforeItExpires(Operation operation)
    {
        if (operation.Forget is not { } forget || operation.Expires is not { } expires)
            return operation.Forget;
        var earliest = expires + (2 * KafkaView.Remembered);
        return forget > earliest ? forget : earliest;
    }

    private LogResult? Before(Deduplication deduplication, OperationId id)
    {
        var known = Find(deduplication).Value is { Deduplication: { } stored } operation ? (operation.Id, stored) : _recent.Add(deduplication, id);
        if (known is not { } found)
            return null;
        return new LogResult(found.Item2.Payload.Span.SequenceEqual(deduplication.Payload.Span) ? LogOutcome.Exists : LogOutcome.PayloadDiffers, found.Item1);
    }

    private async ValueTask<LogResult> SendAsync(Operation operation, ReadOnlyMemory<byte> body, CancellationToken cancellation)
    {
        _reader.AddLane(operation.Lane);
        var topic = KafkaNames.Topic(operation.Lane);
        if (!_topics.IsReady(topic) || _spill.Holds(operation.Lane, operation.Key))
            return await _spill.AcceptAsync(operation, body, cancellation);
        var sending = _producers.SendAsync(
            operation.Acks, new TopicPartition(topic, KafkaNames.PartitionOf(operation)), KafkaNames.KeyOf(operation), KafkaRecords.Write(new KafkaRecord(operation, body, null)));
        if (operation.Acks == AckLevel.None && !sending.IsCompleted)
            return SentUnseen(operation, body, sending);
        await Task.WhenAny(sending, Task.Delay(_isLate ? ShortestWait : LongestWait, _time, cancellation));
        if (sending.IsCompleted && await sending == Sent.Stored)
        {
            _isLate = false;
            return new LogResult(LogOutcome.Done, operation.Id);
        }
        _isLate = true;
        var spilled = await _spill.AcceptAsync(operation, body, cancellation);
        _ = DropWhenSentAsync(operation.Id, sending);
        return spilled;
    }

    // Told before it is sent; should Kafka not take it after all, the disk may.
    private LogResult SentUnseen(Operation operation, ReadOnlyMemory<byte> body, Task<Sent> sending)
    {
        _ = SpillUnsentAsync();
        return new LogResult(LogOutcome.Done, operation.Id);

        async Task SpillUnsentAsync()
        {
            if (await sending == Sent.Failed)
                await _spill.AcceptAsync(operation, body, CancellationToken.None);
        }
    }

    private async Task DropWhenSentAsync(OperationId id, Task<Sent> sending)
    {
        if (await sending != Sent.Stored)
            return;
        _isLate = false;
        await _spill.DropAsync(id);
    }

    // A dead letter that is to be tried again goes to the end of its lane, for all gateways, and takes its request along.
    private async Task<LogResult> QueueAgainAsync(Operation operation, Operation known)
    {
        if (known.Revision != operation.Revision)
            return new LogResult(LogOutcome.Conflict, operation.Id);
        if (_view.Body(operation.Id).Value is not { } body || !_topics.IsReady(KafkaNames.Topic(KafkaNames.WholeOf(known.Lane))))
            return new LogResult(LogOutcome.Failed, operation.Id);
        var again = operation with { Lane = KafkaNames.WholeOf(known.Lane), Change = known.Change + 1 };
        var sent = await _producers.SendAsync(AckLevel.All, new TopicPartition(KafkaNames.Topic(again.Lane), KafkaNames.PartitionOf(again)), KafkaNames.KeyOf(again),
            KafkaRecords.Write(new KafkaRecord(again, body, null)));
        if (sent != Sent.Stored)
            return new LogResult(LogOutcome.Failed, operation.Id);
        await _reader.CatchUpAsync(CatchUpPatience, CancellationToken.None);
        return new LogResult(LogOutcome.Done, operation.Id);
    }

    // A dead letter's request goes along: it may be asked for when the lane has let go of it.
    private async Task PublishAsync(OperationId id)
    {
        if (_view.Find(id).Value is not { } operation)
        {
            _unpublished.TryRemove(id, out _);
            return;
        }
        var body = operation.State == OperationState.Dead ? _view.Body(id).Value : null;
        var record = new KafkaRecord(Whole(operation), body, operation.AnswerStatus > 0 ? _view.Answer(id).Value : null);
        var sent = await _producers.SendAsync(AckLevel.All, StatePartition(id), id.ToArray(), KafkaRecords.Write(record));
        if (sent == Sent.Stored && _view.Find(id).Value?.Change == operation.Change)
            _unpublished.TryRemove(id, out _);
    }

    private async Task PublishAgainAsync()
    {
        using var timer = new PeriodicTimer(PublishAgainEvery, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                // That requests were late once says nothing: with none that comes after it, nothing would say that Kafka is back.
                if (Problem is not null)
                    continue;
                // Those of the last second may still be under way: sent twice they are the same.
                await Task.WhenAll(_unpublished.Keys.Take(1000).Select(PublishAsync)).WaitAsync(_stopping.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // It stops.
        }
    }

    private static LogRead<IReadOnlyList<T>> Merge<T, TOrder>(IEnumerable<string> parts, Func<string, LogRead<IReadOnlyList<T>>> read, Func<T, TOrder> order, int count)
    {
        var all = new List<T>();
        foreach (var part in parts)
        {
            var found = read(part);
            if (found.Outcome is ReadOutcome.Unavailable or ReadOutcome.Damaged)
                return found;
            all.AddRange(found.Value ?? []);
        }
        return new(ReadOutcome.Found, [.. all.OrderBy(order).Take(count)]);
    }
}
