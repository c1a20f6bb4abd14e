using System.Collections.Concurrent;
using Malha.Delivery.Callbacks;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Malha.Proxy;
using Malha.Resilience;

namespace Malha.Delivery.Dispatch;

/// <summary>
/// Delivers all lanes, each by itself, so that a service that is away holds up nobody else's; and lets go of what has expired or was kept long enough. Whoever changes an operation that
/// may be under way (a delivery, a client that cancels, an operator) claims it first.
/// </summary>
internal sealed class Dispatcher : IAsyncDisposable
{
    /// <summary>Re-attempts of a service's lane are paid from a budget of their own: it is a caller like others. No client has this name.</summary>
    public const string BudgetName = "\0lane";

    private const int SweptAtATime = 256;
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);

    private readonly Lane _lane;
    private readonly ConcurrentDictionary<string, (LaneDispatcher Dispatcher, Task Running)> _lanes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<OperationId, byte> _claimed = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private Task _sweeping = Task.CompletedTask;
    private readonly Chance _chance = new(Entropy.NextSeed());

    public Dispatcher(Lane lane) => _lane = lane;

    /// <summary>What follows on a try, by the keys in force.</summary>
    public Redelivery Redelivery => new(_lane.Settings, Chance);

    public IEnumerable<LaneDispatcher> Lanes => _lanes.Values.Select(one => one.Dispatcher);

    public double Chance()
    {
        lock (_lock)
            return _chance.NextDouble();
    }

    /// <summary>Begins to deliver.</summary>
    public void Start()
    {
        _lane.Store.Moved = (name, due) => Of(name).FallsDue(due);
        _lane.Store.Ended = _lane.Ends.Ended;
        foreach (var name in _lane.Store.Lanes().Value ?? [])
            Of(name).FallsDue(DateTimeOffset.UnixEpoch);
        _sweeping = Task.Run(SweepAsync);
    }

    public void Accepted(Operation operation) => Of(operation.Lane).Counters.CountAccepted();

    public bool TryClaim(OperationId id) => _claimed.TryAdd(id, 0);

    public void Release(OperationId id) => _claimed.TryRemove(id, out _);

    public bool IsUnderWay(OperationId id) => _claimed.ContainsKey(id);

    /// <summary>Why an operation that waits does.</summary>
    public string WhyWaits(Operation operation)
    {
        if (operation.IsBehind)
            return "its turn: others of its key are before it";
        if (_lanes.TryGetValue(operation.Lane, out var lane) && lane.Dispatcher.Hold is { } hold)
            return hold;
        return operation.Due > _lane.Time.GetUtcNow() ? "its back-off" : "its turn";
    }

    /// <summary>Takes an operation back that nobody has begun with. Null: it has begun, is over, or is not there.</summary>
    /// <param name="id">Which.</param>
    /// <param name="byOperator">An operator may also take back one that waits for another attempt.</param>
    public Task<Operation?> CancelAsync(OperationId id, bool byOperator) => ChangeAsync(id, operation =>
    {
        if (operation.State != OperationState.Waiting || (!byOperator && operation.Attempts.Any(attempt => attempt.Result != AttemptResult.ConnectionFailed)))
            return null;
        var now = _lane.Time.GetUtcNow();
        return operation with { State = OperationState.Cancelled, Finished = now, Forget = _lane.Settings.ForgetAt(now, isDead: false) };
    });

    /// <summary>Changes an operation that is not under way. Null: it is, is not there, or is not to be changed.</summary>
    public async Task<Operation?> ChangeAsync(OperationId id, Func<Operation, Operation?> change)
    {
        if (!TryClaim(id))
            return null;
        try
        {
            // Twice: one that was behind may have been moved up between reading and writing.
            for (var tries = 0; tries < 3; tries++)
            {
                if ((await _lane.Store.FindAsync(id)).Value is not { } operation || change(operation) is not { } next)
                    return null;
                if (await SettleAsync(next, null) is LogOutcome.Done)
                    return (await _lane.Store.FindAsync(id)).Value ?? next;
            }
            return null;
        }
        finally
        {
            Release(id);
        }
    }

    /// <summary>Stores what has become of an operation, as durable as its acceptance was, and tells those who wait for it.</summary>
    public async Task<LogOutcome> SettleAsync(Operation operation, Answer? answer)
    {
        operation = CallbackSchedule.Settled(operation, _lane.Time.GetUtcNow());
        var result = await _lane.Store.UpdateAsync(operation, answer, operation.Acks);
        // Larger than what is kept: then without its body.
        if (result.Outcome == LogOutcome.TooLarge && answer is not null)
            result = await _lane.Store.UpdateAsync(operation, answer with { Body = default, IsTooLarge = true }, operation.Acks);
        if (operation.State == OperationState.Waiting || result.Outcome != LogOutcome.Done)
            return result.Outcome;
        if (operation.State == OperationState.Dead)
            Of(operation.Lane).Counters.CountDead();
        _lane.Ends.Ended(operation.Id);
        _lane.Callbacks.Stored(operation);
        return result.Outcome;
    }

    /// <summary>Begins with nothing more, and waits for what is under way; what has not ended by then is broken off.</summary>
    public async Task DrainAsync(TimeSpan patience)
    {
        await _stopping.CancelAsync();
        var all = Task.WhenAll(_lanes.Values.Select(one => one.Running).Append(_sweeping));
        try
        {
            await all.WaitAsync(patience, _lane.Time);
        }
        catch (TimeoutException)
        {
            foreach (var lane in Lanes)
                lane.BreakOff();
            await all;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _lane.Store.Moved = null;
        _lane.Store.Ended = null;
        await DrainAsync(TimeSpan.Zero);
        _stopping.Dispose();
    }

    private LaneDispatcher Of(string name)
    {
        if (_lanes.TryGetValue(name, out var known))
            return known.Dispatcher;
        lock (_lock)
        {
            if (_lanes.TryGetValue(name, out known))
                return known.Dispatcher;
            var dispatcher = new LaneDispatcher(name, _lane, this);
            _lanes[name] = (dispatcher, Task.Run(() => dispatcher.RunAsync(_stopping.Token)));
            return dispatcher;
        }
    }

    private async Task SweepAsync()
    {
        using var timer = new PeriodicTimer(SweepEvery, _lane.Time);
        try
        {
            do
            {
                await SweepOnceAsync();
            }
            while (await timer.WaitForNextTickAsync(_stopping.Token));
        }
        catch (OperationCanceledException)
        {
            // It stops.
        }
    }

    private async Task SweepOnceAsync()
    {
        try
        {
            var now = _lane.Time.GetUtcNow();
            foreach (var entry in _lane.Store.Due(DueKind.Expiry, now, SweptAtATime).Value ?? [])
            {
                await ChangeAsync(entry.Id, operation =>
                    operation.State == OperationState.Waiting && operation.Expires <= now ? Redelivery.Dead(operation, DeadCause.Expired, now) : null);
            }
            foreach (var entry in _lane.Store.Due(DueKind.Forget, now, SweptAtATime).Value ?? [])
            {
                if ((await _lane.Store.FindAsync(entry.Id)).Value is { } operation && operation.Forget <= now)
                    await _lane.Store.ForgetAsync(operation.Id, operation.Revision, AckLevel.Leader);
            }
        }
        catch (Exception bug) when (bug is not OperationCanceledException)
        {
            _lane.Gateway.Plane.Failed(bug);
        }
    }
}
