using System.Runtime.CompilerServices;

namespace Malha.Resilience;

/// <summary>
/// Deadline, retry with budget, hedging, breaker, concurrency limit and throttle around one call within a program; the same state machines as in the
/// gateway, in the same order: deadline of the whole, then per attempt the limit (so that waiting calls hold no permit), the breaker, the throttle, the
/// attempt's timeout, and its outcome to all of them. An attempt that completes synchronously allocates nothing. Exceptions of the callback are failures
/// unless the call says otherwise, an <see cref="OperationCanceledException"/> of its own token a timeout; a caller's cancellation says nothing about the
/// service.
/// </summary>
public sealed partial class ResiliencePipeline
{
    private readonly Clock _clock;
    private readonly RetryPolicy? _retry;
    private readonly RetryBudget? _budget;
    private readonly ConcurrencyLimiter? _limiter;
    private readonly AdmissionGate? _admission;
    private readonly Throttle? _throttle;
    private readonly Hedging? _hedging;
    private readonly RouteBaseline _route = new();
    private readonly TimeoutSources _timeouts;
    private ResiliencePipelineOptions _options;

    public ResiliencePipeline(ResiliencePipelineOptions options, TimeProvider time, Chance chance)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(chance);
        _options = options;
        _clock = new Clock(time);
        _timeouts = new TimeoutSources(time);
        _retry = options.Retry is { } retry ? new RetryPolicy(retry, chance.Fork()) : null;
        _budget = options.Budget is { } budget ? new RetryBudget(budget) : null;
        _limiter = options.Limit is { } limit ? new ConcurrencyLimiter(limit) : null;
        Breaker = options.Breaker is { } breaker ? new CircuitBreaker(breaker, chance.Fork()) : null;
        _admission = options.Admission is { } admission ? new AdmissionGate(admission, _clock) : null;
        _throttle = options.Throttle is { } throttle ? new Throttle(throttle, chance.Fork()) : null;
        _hedging = options.Hedging is { } hedging ? new Hedging(hedging) : null;
    }

    /// <summary>For manual modes and snapshots.</summary>
    public CircuitBreaker? Breaker { get; }

    /// <summary>For snapshots.</summary>
    public AdmissionController? Admission => _admission?.Controller;

    /// <summary>New settings in place. Policies are not added or taken out: that is another pipeline.</summary>
    public void Update(ResiliencePipelineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var now = _clock.Now;
        if (options.Retry is { } retry)
            _retry?.Update(retry);
        if (options.Budget is { } budget)
            _budget?.Update(budget, now);
        if (options.Breaker is { } breaker)
            Breaker?.Update(breaker, now);
        if (options.Limit is { } limit)
            _limiter?.Update(limit);
        if (options.Admission is { } admission)
            _admission?.Controller.Update(admission, now);
        if (options.Throttle is { } throttle)
            _throttle?.Update(throttle, now);
        if (options.Hedging is { } hedging)
            _hedging?.Update(hedging);
        Volatile.Write(ref _options, options);
    }

    /// <summary>Calls, and throws what went wrong.</summary>
    public ValueTask<T> ExecuteAsync<TState, T>(Func<TState, CancellationToken, ValueTask<T>> callback, TState state, CancellationToken cancellationToken = default)
    {
        var outcome = TryExecuteAsync(callback, state, cancellationToken);
        return outcome.IsCompletedSuccessfully ? new ValueTask<T>(outcome.Result.GetResultOrThrow()) : Wait(outcome);

        static async ValueTask<T> Wait(ValueTask<Outcome<T>> outcome) => (await outcome.ConfigureAwait(false)).GetResultOrThrow();
    }

    /// <summary>Calls, and tells what went wrong as a value.</summary>
    public ValueTask<Outcome<T>> TryExecuteAsync<TState, T>(
        Func<TState, CancellationToken, ValueTask<T>> callback, TState state, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return TryExecuteAsync(FunctionCall<TState, T>.Instance, (callback, state), cancellationToken);
    }

    /// <summary>Calls in the way that <paramref name="call"/> describes, and tells what went wrong as a value.</summary>
    public ValueTask<Outcome<T>> TryExecuteAsync<TState, T>(ResilienceCall<TState, T> call, TState state, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        var now = _clock.Now;
        var one = new Call<TState, T>(call, state, StartDeadline(now), cancellationToken);
        if (_hedging is not null && call.CanHedge(state))
            return RunAsync(one, default, default, hasStarted: false);
        if (!TryStart(one, now, out var attempt, out var refused))
            return refused.MayWait ? RunAsync(one, default, default, hasStarted: false) : new ValueTask<Outcome<T>>(refused.As<T>());

        var running = Begin(one, attempt, 1, cancellationToken);
        if (!running.IsCompletedSuccessfully)
            return RunAsync(one, attempt, running, hasStarted: true);
        var answer = running.Result;
        var judged = call.Judge(state, answer, null);
        if (judged.Outcome != OutcomeKind.Success)
            return RunAsync(one, attempt, new ValueTask<T>(answer), hasStarted: true);
        End(attempt, OutcomeKind.Success, call.TokensOutliveAttempts);
        _budget?.OnFirstAttemptSuccess(attempt.Started);
        return new ValueTask<Outcome<T>>(new Outcome<T> { Value = answer, Attempts = 1 });
    }

    private Deadline StartDeadline(Moment now) =>
        Volatile.Read(ref _options).Deadline is { } deadline ? Deadline.After(now, deadline.Timeout) : default;

    /// <summary>Asks every policy for one attempt, and takes nothing when one of them refuses.</summary>
    private bool TryStart<TState, T>(in Call<TState, T> call, Moment now, out Attempt attempt, out Refused refused)
    {
        attempt = default;
        refused = default;
        if (call.Deadline.HasPassed(now))
        {
            refused = new Refused(PipelineRefusal.DeadlinePassed, default);
            return false;
        }

        LimitPermit limit = default;
        if (_admission is { } admission)
        {
            var decision = admission.TryAdmit(call.Deadline, now);
            if (decision.Verdict != AdmissionVerdict.Admitted)
            {
                refused = Refusal(decision) with { MayWait = decision.Verdict != AdmissionVerdict.DeadlineTooNear && admission.Controller.Options.Queue > 0 };
                return false;
            }

            limit = decision.Permit;
        }
        else if (_limiter is { } limiter && !limiter.TryAcquire(now, out limit))
        {
            refused = new Refused(PipelineRefusal.LimitReached, default);
            return false;
        }

        return TryStartAdmitted(call, limit, now, out attempt, out refused);
    }

    /// <summary>The rest of them, with a place at the service already taken.</summary>
    private bool TryStartAdmitted<TState, T>(in Call<TState, T> call, LimitPermit limit, Moment now, out Attempt attempt, out Refused refused)
    {
        attempt = default;
        refused = default;
        BreakerPermit breaker = default;
        if (Breaker is not null)
        {
            var decision = Breaker.TryAcquire(now);
            if (!decision.Allowed)
            {
                Release(limit, OutcomeKind.ConnectionFailure, now);
                refused = new Refused(PipelineRefusal.BreakerOpen, decision.RetryAfter);
                return false;
            }

            breaker = decision.Permit;
        }

        // Last, since it counts what would be sent.
        if (_throttle is { } throttle && !throttle.TryPass(now))
        {
            Breaker?.Report(breaker, OutcomeKind.Abandoned, now);
            Release(limit, OutcomeKind.ConnectionFailure, now);
            refused = new Refused(PipelineRefusal.Throttled, Defaults.AdmissionRetryAfter);
            return false;
        }

        // An attempt that may lose a race needs a token of its own.
        var timeout = call.Deadline.IsNone && _hedging is null ? null : _timeouts.Rent(AttemptTime(call.Deadline, now));
        attempt = new Attempt(now, limit, breaker, timeout);
        return true;
    }

    private static Refused Refusal(in AdmissionDecision decision) => decision.Verdict == AdmissionVerdict.DeadlineTooNear
        ? new Refused(PipelineRefusal.DeadlinePassed, decision.RetryAfter)
        : new Refused(PipelineRefusal.LimitReached, decision.RetryAfter);

    private TimeSpan AttemptTime(Deadline deadline, Moment now)
    {
        if (deadline.IsNone)
            return Timeout.InfiniteTimeSpan;
        return Volatile.Read(ref _options).Deadline is { } options ? deadline.ForAttempt(now, options).Remaining(now) : deadline.Remaining(now);
    }

    private void End(in Attempt attempt, OutcomeKind outcome, bool tokenLives)
    {
        var now = _clock.Now;
        if (attempt.Timeout is { } timeout)
        {
            if (tokenLives)
                TimeoutSources.Retire(timeout);
            else
                _timeouts.Return(timeout);
        }

        Breaker?.Report(attempt.Breaker, outcome, now);
        _throttle?.Report(outcome, now);
        Release(attempt.Limit, outcome, now);
    }

    /// <summary>The service may still be working on what was given up: it counts on for as long as an answer takes.</summary>
    private void Release(in LimitPermit limit, OutcomeKind outcome, Moment now)
    {
        var isAbandoned = outcome is OutcomeKind.Timeout or OutcomeKind.Abandoned;
        if (_admission is { Controller: var controller })
        {
            if (isAbandoned)
                controller.Abandon(limit, _route, now);
            else
                controller.Release(limit, _route, outcome, now);
        }
        else if (_limiter is { } limiter)
        {
            if (isAbandoned)
                limiter.Abandon(limit, _route, now);
            else
                limiter.Release(limit, _route, outcome, now);
        }
    }

    /// <summary>Everything that does not complete at once: waiting for a place, for the attempt, and the attempts after it.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Outcome<T>> RunAsync<TState, T>(Call<TState, T> call, Attempt attempt, ValueTask<T> running, bool hasStarted)
    {
        var delay = TimeSpan.Zero;
        Ended<T> ended = default;
        for (var made = 0; ;)
        {
            if (!hasStarted)
            {
                // What the service said last is worth more to the caller than why it was not asked again.
                var started = await StartAsync(call).ConfigureAwait(false);
                if (started.Refused is { } refused)
                    return made == 0 ? refused.As<T>() : ended.AsOutcome();
                if (made > 0 && ended.Thrown is null)
                    call.Kind.Discard(ended.Answer!);
                attempt = started.Attempt;
            }

            made++;
            if (_hedging is not null && call.Kind.CanHedge(call.State))
            {
                ended = await RaceAsync(call, attempt, made).ConfigureAwait(false);
                made = ended.Made;
            }
            else
            {
                if (!hasStarted)
                    running = Begin(call, attempt, made, call.CancellationToken);
                ended = await FinishAsync(call, attempt, running, made, call.CancellationToken).ConfigureAwait(false);
            }

            hasStarted = false;
            if (ended.Judged.Outcome == OutcomeKind.Success && made == 1)
                _budget?.OnFirstAttemptSuccess(_clock.Now);
            var decision = Decide(call.Deadline, made, ended.Judged, delay);
            if (!decision.ShouldRetry)
                return ended.AsOutcome();

            delay = decision.Delay;
            if (delay > TimeSpan.Zero && await Cancelled(delay, call.CancellationToken).ConfigureAwait(false))
                return ended.AsOutcome();
        }
    }

    /// <summary>Takes part in one attempt, having waited for a place if there is a queue.</summary>
    private async ValueTask<Started> StartAsync<TState, T>(Call<TState, T> call)
    {
        if (TryStart(call, _clock.Now, out var attempt, out var refused))
            return new Started(attempt, null);
        if (!refused.MayWait)
            return new Started(default, refused);

        var decision = await _admission!.AdmitAsync(call.Deadline, call.CancellationToken).ConfigureAwait(false);
        if (decision.Verdict == AdmissionVerdict.Cancelled)
            return new Started(default, new Refused(PipelineRefusal.Cancelled, default));
        if (decision.Verdict != AdmissionVerdict.Admitted)
            return new Started(default, Refusal(decision));
        return TryStartAdmitted(call, decision.Permit, _clock.Now, out attempt, out refused) ? new Started(attempt, null) : new Started(default, refused);
    }

    /// <summary>Waits for one attempt and tells everybody what it came to.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Ended<T>> FinishAsync<TState, T>(Call<TState, T> call, Attempt attempt, ValueTask<T> running, int number, CancellationToken caller)
    {
        var registration = attempt.Link(caller);
        T? answer = default;
        Exception? thrown = null;
        try
        {
            answer = await running.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            thrown = exception;
        }

        await registration.DisposeAsync().ConfigureAwait(false);
        var judged = Judge(call, attempt, answer, thrown, caller);
        if (number == 1 && judged.Outcome == OutcomeKind.Success)
            _hedging?.OnAnswer(_clock.Now - attempt.Started, _clock.Now);
        End(attempt, judged.Outcome, call.Kind.TokensOutliveAttempts);
        return new Ended<T>(answer, thrown, judged, number);
    }

    /// <summary>What a callback throws before its first await is a failure like any other.</summary>
    private static ValueTask<T> Begin<TState, T>(in Call<TState, T> call, in Attempt attempt, int number, CancellationToken caller)
    {
        try
        {
            return call.Kind.AttemptAsync(call.State, number, attempt.Token(caller));
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<T>(exception);
        }
    }

    private static AttemptJudgement Judge<TState, T>(in Call<TState, T> call, in Attempt attempt, T? answer, Exception? thrown, CancellationToken caller)
    {
        if (thrown is not null && caller.IsCancellationRequested)
            return new AttemptJudgement(OutcomeKind.Abandoned, Retryability.CallerLeft);
        if (thrown is OperationCanceledException && attempt.Timeout is { IsCancellationRequested: true })
            return new AttemptJudgement(OutcomeKind.Timeout, call.Kind.CanRepeat(call.State) ? Retryability.Retryable : Retryability.MayHaveBeenExecuted);
        return call.Kind.Judge(call.State, answer, thrown);
    }

    private RetryDecision Decide(Deadline deadline, int made, in AttemptJudgement judged, TimeSpan previous)
    {
        if (_retry is null || judged.Outcome == OutcomeKind.Success)
            return new RetryDecision(RetryVerdict.NotRetryable, default);
        var question = new RetryQuestion
        {
            AttemptsMade = made,
            Retryability = judged.Retryability,
            RetryAfter = judged.RetryAfter,
            Deadline = deadline,
            TypicalLatency = _admission?.Controller.TypicalLatency ?? default,
            PreviousDelay = previous,
        };
        return _retry.Decide(question, _budget, _clock.Now);
    }

    private async ValueTask<bool> Cancelled(TimeSpan delay, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(delay, _clock.Source, cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    /// <summary>What stays the same over all attempts of a call.</summary>
    private readonly record struct Call<TState, T>(ResilienceCall<TState, T> Kind, TState State, Deadline Deadline, CancellationToken CancellationToken);

    /// <summary>Why there is no attempt.</summary>
    private readonly record struct Refused(PipelineRefusal Why, TimeSpan RetryAfter)
    {
        /// <summary>There is a queue to wait in.</summary>
        public bool MayWait { get; init; }

        public Outcome<T> As<T>() => new() { Refusal = Why, RetryAfter = RetryAfter, Kind = OutcomeKind.Abandoned };
    }

    private readonly record struct Started(Attempt Attempt, Refused? Refused);

    /// <summary>An attempt that is over, and as how many it counts.</summary>
    private readonly record struct Ended<T>(T? Answer, Exception? Thrown, AttemptJudgement Judged, int Made)
    {
        public Outcome<T> AsOutcome() => new() { Value = Answer, Exception = Thrown, Kind = Judged.Outcome, Attempts = Made, RetryAfter = Judged.RetryAfter ?? default };
    }

    /// <summary>What one attempt holds and must give back.</summary>
    private readonly record struct Attempt(Moment Started, LimitPermit Limit, BreakerPermit Breaker, CancellationTokenSource? Timeout)
    {
        public CancellationToken Token(CancellationToken caller) => Timeout?.Token ?? caller;

        /// <summary>
        /// Lets the caller's cancellation reach the attempt. Only once it is known to be waiting: a call that completes at once must not pay for this.
        /// </summary>
        public CancellationTokenRegistration Link(CancellationToken caller) => Timeout is null || !caller.CanBeCanceled
            ? default
            : caller.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), Timeout);
    }
}
