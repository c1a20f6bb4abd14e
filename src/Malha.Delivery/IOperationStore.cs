using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Delivery;

/// <summary>What a 202 promises, told exactly.</summary>
/// <param name="Level">As the route asked for it.</param>
/// <param name="Where">Where the request is when the client is told: <c>memory</c>, <c>operating-system</c>, <c>local-disk</c>, or an engine's own word.</param>
/// <param name="Copies">How many of it there are.</param>
internal sealed record Durability(AckLevel Level, string Where, int Copies);

/// <summary>
/// What the lane stands on: where operations are kept, and in which order they are due. All that is above it (deferral, dispatch, the resources of clients and operators) knows an
/// engine by this alone. Expected failures are values. Reads are answered from what this gateway has at hand and may touch its disk: nobody calls them on a thread of the socket engine.
/// </summary>
internal interface IOperationStore : IAsyncDisposable
{
    /// <summary>Why nothing is accepted at present; null: all is well.</summary>
    string? Failure { get; }

    /// <summary>Called with a lane and the time at which something of it falls due that did not before. On a thread of the engine's, which it must not hold up.</summary>
    Action<string, DateTimeOffset>? Moved { get; set; }

    /// <summary>Called with an operation that another gateway has brought to its end. On a thread of the engine's, which it must not hold up.</summary>
    Action<OperationId>? Ended { get; set; }

    /// <summary>What its 202 promised, or what has become of that since.</summary>
    Durability DurabilityOf(Operation operation);

    /// <summary>
    /// Stores a new operation and ends when it is as durable as its acks say. It waits behind others of its lane and key. Outcomes: done; exists and payload differs (its
    /// Idempotency-Key was used before, the id is the earlier operation's); and those that mean that nothing is promised.
    /// </summary>
    ValueTask<LogResult> AcceptAsync(Operation operation, ReadOnlyMemory<byte> body, CancellationToken cancellation = default);

    /// <summary>
    /// Stores what has become of an operation, and the server's answer if there is one: the end of an attempt, a cancellation, an operator's word. Its revision must be the one
    /// that was read. When it waits no more, the next one of its key may be tried.
    /// </summary>
    ValueTask<LogResult> UpdateAsync(Operation operation, Answer? answer, AckLevel acks, CancellationToken cancellation = default);

    /// <summary>Removes all that there is of an operation.</summary>
    ValueTask<LogResult> ForgetAsync(OperationId id, long revision, AckLevel acks, CancellationToken cancellation = default);

    /// <summary>An operation by its name, wherever it was accepted.</summary>
    ValueTask<LogRead<Operation>> FindAsync(OperationId id, CancellationToken cancellation = default);

    /// <summary>The operation that a call with this Idempotency-Key made.</summary>
    LogRead<Operation> Find(Deduplication deduplication);

    /// <summary>The request's body; of an operation without one, an empty one.</summary>
    LogRead<byte[]> Body(OperationId id);

    LogRead<Answer> Answer(OperationId id);

    /// <summary>Lanes in which something waits.</summary>
    LogRead<IReadOnlyList<string>> Lanes();

    /// <summary>How many wait in a lane.</summary>
    int Depth(string lane);

    /// <summary>How many wait in a lane before a position, counted up to a bound.</summary>
    int Before(string lane, long position, int most);

    /// <summary>What waits in a lane behind a position, in the order of acceptance.</summary>
    LogRead<IReadOnlyList<LogEntry>> Lane(string lane, long after, int count);

    /// <summary>What waits of one key, in the order of acceptance.</summary>
    LogRead<IReadOnlyList<LogEntry>> Key(string lane, string key, int count);

    /// <summary>
    /// What this gateway may try in a lane that falls due from one time to another (both among them), first due first: of each key only the first. What is being tried stays in the
    /// list until it is settled. Whoever asks begins where nothing was before, as <see cref="Moved"/> told him, and not at the beginning of time.
    /// </summary>
    LogRead<IReadOnlyList<DueEntry>> DueAttempts(string lane, DateTimeOffset from, DateTimeOffset until, int count);

    /// <summary>What expires, or is to be forgotten, by now.</summary>
    LogRead<IReadOnlyList<DueEntry>> Due(DueKind kind, DateTimeOffset now, int count);

    /// <summary>Hosts to which the end of any operation is to be told.</summary>
    LogRead<IReadOnlyList<string>> CallbackHosts();

    /// <summary>Operations whose end is to be told to a host from one time to another (both among them), first due first.</summary>
    LogRead<IReadOnlyList<DueEntry>> DueCallbacks(string host, DateTimeOffset from, DateTimeOffset until, int count);

    /// <summary>Lanes that have dead letters.</summary>
    LogRead<IReadOnlyList<string>> DeadLanes();

    /// <summary>A lane's dead letters behind an entry (null: from the first), oldest first.</summary>
    LogRead<IReadOnlyList<LogEntry>> DeadLetters(string lane, LogEntry? after, int count);

    /// <summary>Operations of one client behind a position, in the order of acceptance: those that wait, or those that do no more.</summary>
    LogRead<IReadOnlyList<LogEntry>> Owner(string owner, bool waits, long after, int count);

    /// <summary>All operations behind one (null: from the first), by the time that they were made.</summary>
    LogRead<IReadOnlyList<Operation>> All(OperationId? after, int count);
}
