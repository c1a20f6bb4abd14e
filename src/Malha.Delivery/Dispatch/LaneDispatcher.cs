using System.Collections.Concurrent;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Malha.Proxy;
using Malha.Proxy.Upstream;
using AttemptResult = Malha.Delivery.Operations.AttemptResult;

namespace Malha.Delivery.Dispatch;

/// <summary>
/// Delivers one lane: what is due, longest due first, as many at a time as the service takes. Whoever holds the service back from live traffic (breaker, health, limits) holds the lane
/// back too, and no attempt is spent on that; after a pause it goes on with one, and with one more for each that is answered. Nothing is taken out of the store before it is settled, so
/// that an end at any moment loses nothing.
/// </summary>
internal sealed class LaneDispatcher
{
    /// <summary>More at a time from one lane would only stand before the service's own limit.</summary>
    private const int MostAtATime = 64;

    // While nobody may have anything of the service, one operation looks again so often.
    private static readonly TimeSpan LongestHold = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestHold = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestCrowd = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestOutage = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstOutage = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BudgetPause = TimeSpan.FromSeconds(1);

    private readonly Lane _lane;
    private readonly Dispatcher _dispatcher;
    private readonly DeliveryAttempt _attempt;
    private readonly ConcurrentDictionary<OperationId, (Exchange Exchange, long Ticket)> _running = new();
    private TaskCompletionSource _wake = Waiting();
    private readonly Lock _lock = new();
    private int _underWay;
    private int _window = MostAtATime;
    private int _outages;
    private DateTimeOffset _heldUntil;
    private Refusal _heldFor;
    // Nothing is due before this time; and what was told of meanwhile, while somebody looked.
    private DateTimeOffset _from = DateTimeOffset.UnixEpoch;
    private DateTimeOffset _told = DateTimeOffset.MaxValue;
    private DateTimeOffset? _next;

    public LaneDispatcher(string name, Lane lane, Dispatcher dispatcher)
    {
        (Name, _lane, _dispatcher) = (name, lane, dispatcher);
        _attempt = new DeliveryAttempt(lane);
    }

    public string Name { get; }

    public LaneCounters Counters { get; } = new();

    /// <summary>Deliveries under way.</summary>
    public int UnderWay => Volatile.Read(ref _underWay);

    /// <summary>Why nothing of the lane is tried now; null: it is.</summary>
    public string? Hold
    {
        get
        {
            lock (_lock)
                return _lane.Time.GetUtcNow() < _heldUntil || _window == 1 ? Why(_heldFor) : null;
        }
    }

    /// <summary>Until when; null: it is not held.</summary>
    public DateTimeOffset? HeldUntil
    {
        get
        {
            lock (_lock)
                return _lane.Time.GetUtcNow() < _heldUntil ? _heldUntil : null;
        }
    }

    /// <summary>Something falls due at a time.</summary>
    public void FallsDue(DateTimeOffset at)
    {
        lock (_lock)
        {
            _told = at < _told ? at : _told;
            _from = at < _from ? at : _from;
        }
        Wake();
    }

    public void Wake() => Volatile.Read(ref _wake).TrySetResult();

    /// <summary>Delivers until it is told to stop; then waits for what is under way.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                // Before it looks: whoever wakes it from now on is not missed.
                var wake = Waiting();
                Volatile.Write(ref _wake, wake);
                StartDue(stopping);
                await Task.WhenAny(wake.Task, Task.Delay(Patience(), _lane.Time, stopping));
            }
            catch (Exception bug)
            {
                _lane.Gateway.Plane.Failed(bug);
                await Task.Delay(LongestHold, _lane.Time, CancellationToken.None);
            }
        }
        while (UnderWay > 0)
        {
            var wake = Waiting();
            Volatile.Write(ref _wake, wake);
            if (UnderWay > 0)
                await Task.WhenAny(wake.Task, Task.Delay(LongestHold, _lane.Time, CancellationToken.None));
        }
    }

    private static TaskCompletionSource Waiting() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Breaks off what is under way: it is delivered anew after the next start.</summary>
    public void BreakOff()
    {
        foreach (var (exchange, ticket) in _running.Values)
            exchange.Cancel(CancelReason.Shutdown, ticket);
    }

    // Until something falls due or may be tried again; whoever accepts, settles or changes something wakes it before.
    private TimeSpan Patience()
    {
        var now = _lane.Time.GetUtcNow();
        TimeSpan patience;
        lock (_lock)
            patience = (_heldUntil > now ? _heldUntil : _next ?? now + LongestHold) - now;
        return patience > LongestHold ? LongestHold : patience < ShortestHold ? ShortestHold : patience;
    }

    private void StartDue(CancellationToken stopping)
    {
        var now = _lane.Time.GetUtcNow();
        int room;
        lock (_lock)
            room = now < _heldUntil ? 0 : _window - _underWay;
        if (room <= 0)
        {
            // Whoever ends wakes it.
            _next = null;
            return;
        }
        if (!_lane.Gateway.Plane.Model.Services.TryGetValue(Name, out var service) || service.Config.IsStore)
        {
            HoldFor(new Refusal(RefusalKind.NoEndpoint, Detail: "the service is not in the configuration"), LongestHold);
            return;
        }
        foreach (var entry in Look(now, UnderWay + room))
        {
            if (room == 0 || entry.At > now || stopping.IsCancellationRequested)
                return;
            if (!_dispatcher.TryClaim(entry.Id))
                continue;
            room--;
            Interlocked.Increment(ref _underWay);
            _ = DeliverAsync(entry.Id, service, stopping);
        }
    }

    // What is due, and what will be next: from the first that was there the last time, or was told of since.
    private IReadOnlyList<DueEntry> Look(DateTimeOffset now, int count)
    {
        DateTimeOffset from;
        lock (_lock)
        {
            from = _from;
            _told = DateTimeOffset.MaxValue;
        }
        var read = _lane.Store.DueAttempts(Name, from, now + LongestHold, count);
        var found = read.Value ?? [];
        lock (_lock)
        {
            var first = found.Count > 0 ? found[0].At : now;
            if (read.Outcome == ReadOutcome.Found)
                _from = _told < first ? _told : first;
            // Of those that are due already nothing is to be waited for but the end of what is under way.
            _next = found.FirstOrDefault(entry => entry.At > now) is { At: var next } && next > now ? next : null;
        }
        return found;
    }

    private async Task DeliverAsync(OperationId id, ServiceModel service, CancellationToken stopping)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            var operation = (await _lane.Store.FindAsync(id, stopping)).Value;
            if (operation is { State: OperationState.Waiting, IsBehind: false } && !stopping.IsCancellationRequested)
                await DeliverAsync(operation, service);
        }
        catch (OperationCanceledException)
        {
            // It stops.
        }
        catch (Exception bug)
        {
            _lane.Gateway.Plane.Failed(bug);
            HoldFor(new Refusal(RefusalKind.Internal), LongestHold);
        }
        finally
        {
            _running.TryRemove(id, out _);
            _dispatcher.Release(id);
            Interlocked.Decrement(ref _underWay);
            Wake();
        }
    }

    private async Task DeliverAsync(Operation operation, ServiceModel service)
    {
        var began = _lane.Time.GetUtcNow();
        var redelivery = _dispatcher.Redelivery;
        if (operation.Expires <= began)
        {
            await _dispatcher.SettleAsync(redelivery.Dead(operation, DeadCause.Expired, began), null);
            return;
        }
        if (operation.Due > began)
            return;
        // Whoever has been at the server before pays like any retry, and comes again when there is something to pay with.
        var isAgain = operation.Attempts.Any(attempt => attempt.Result != AttemptResult.ConnectionFailed);
        var budget = service.State.BudgetOf(Dispatcher.BudgetName, service.Config.RetryBudget);
        if (isAgain && !budget.TryTake(_lane.Gateway.Plane.Clock.Now))
        {
            await _dispatcher.SettleAsync(redelivery.Held(operation, BudgetPause, began), null);
            return;
        }

        var outcome = await TryAsync(operation);
        var now = _lane.Time.GetUtcNow();
        Learn(outcome);
        switch (outcome.Kind)
        {
            case DeliveryKind.BrokenOff or DeliveryKind.LaneHeld:
                return;
            case DeliveryKind.OperationHeld:
                await _dispatcher.SettleAsync(redelivery.Held(operation, outcome.RetryAfter, now), null);
                return;
            case DeliveryKind.Undeliverable:
                await _dispatcher.SettleAsync(redelivery.Dead(operation, DeadCause.Undeliverable, now), null);
                return;
        }
        var after = redelivery.After(operation, outcome, began, now);
        if (after.State == OperationState.Succeeded && !isAgain)
            budget.OnFirstAttemptSuccess(_lane.Gateway.Plane.Clock.Now);
        Counters.Count(outcome, after, now);
        await _dispatcher.SettleAsync(after, outcome.Answer);
    }

    private async Task<DeliveryOutcome> TryAsync(Operation operation)
    {
        if (_lane.Store.Body(operation.Id) is not { Value: { } body, Outcome: var read })
            return new DeliveryOutcome(DeliveryKind.LaneHeld, new Refusal(RefusalKind.Internal, Detail: "the store is being opened again"));
        if (read == ReadOutcome.Damaged || body.LongLength != operation.BodyBytes || _lane.Settings.Seal.Open(operation.SealedCredentials.Span, operation.Id, operation.Owner) is not { } credentials)
            return new DeliveryOutcome(DeliveryKind.Undeliverable, Refusal.None);
        return await _attempt.RunAsync(operation, body, credentials, (exchange, ticket) => _running[operation.Id] = (exchange, ticket));
    }

    private void Learn(in DeliveryOutcome outcome)
    {
        switch (outcome.Kind)
        {
            case DeliveryKind.LaneHeld:
                HoldFor(outcome.Refusal, outcome.RetryAfter ?? LongestHold);
                break;
            case DeliveryKind.Unreached:
                TimeSpan pause;
                lock (_lock)
                {
                    var ceiling = Math.Min(LongestOutage.TotalMilliseconds, FirstOutage.TotalMilliseconds * (1 << Math.Min(_outages++, 10)));
                    pause = TimeSpan.FromMilliseconds(ceiling * (0.5 + (_dispatcher.Chance() / 2)));
                }
                HoldUntil(outcome.Refusal, pause);
                break;
            case DeliveryKind.Answered or DeliveryKind.Unanswered:
                lock (_lock)
                {
                    _outages = 0;
                    _window = Math.Min(MostAtATime, _window + 1);
                }
                break;
        }
    }

    private void HoldFor(in Refusal why, TimeSpan wanted)
    {
        // Room comes back within an answer's time, and a lane that asks is no load.
        var longest = why.Kind is RefusalKind.Overloaded or RefusalKind.OverCapacity ? LongestCrowd : LongestHold;
        HoldUntil(why, wanted > longest ? longest : wanted < ShortestHold ? ShortestHold : wanted);
    }

    private void HoldUntil(in Refusal why, TimeSpan pause)
    {
        lock (_lock)
        {
            _window = why.Kind is RefusalKind.Overloaded or RefusalKind.OverCapacity ? Math.Max(1, _window / 2) : 1;
            _heldFor = why;
            _heldUntil = _lane.Time.GetUtcNow() + pause;
        }
    }

    private static string? Why(in Refusal refusal) => refusal.IsNone ? null
        : $"{System.Text.Encoding.ASCII.GetString(Proxy.Downstream.ProblemWriter.TypeOf(refusal.Kind))}{(refusal.Rule is null ? "" : $" ({refusal.Rule})")}{(refusal.Detail is null ? "" : ": " + refusal.Detail)}";
}
