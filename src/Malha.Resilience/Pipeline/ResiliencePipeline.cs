using System.Runtime.CompilerServices;

namespace Malha.Resilience;

/// <summary>
/// Deadline, retry with budget, breaker and concurrency limit around one call within a program; the same state machines as in the gateway, in the same
/// order: deadline of the whole, then per attempt the limit (so that waiting calls hold no permit), the breaker, the attempt's timeout, and its outcome to
/// all of them. An attempt that completes synchronously allocates nothing. Exceptions of the callback are failures, an
/// <see cref="OperationCanceledException"/> of its own token a timeout; a caller's cancellation says nothing about the service.
/// </summary>
public sealed class ResiliencePipeline
{
    private readonly Clock _clock;
    private readonly RetryPolicy? _retry;
    private readonly RetryBudget? _budget;
    private readonly ConcurrencyLimiter? _limiter;
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
    }

    /// <summary>For manual modes and snapshots.</summary>
    public CircuitBreaker? Breaker { get; }

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
        var now = _clock.Now;
        var call = new Call<TState, T>(callback, state, Deadline(now), cancellationToken);
        if (!TryStart(call, now, out var attempt, out var refused))
            return new ValueTask<Outcome<T>>(refused);

        var running = Begin(call, attempt);
        if (!running.IsCompletedSuccessfully)
            return Continue(call, attempt, running);
        End(attempt, OutcomeKind.Success);
        _budget?.OnFirstAttemptSuccess(attempt.Started);
        return new ValueTask<Outcome<T>>(new Outcome<T> { Value = running.Result, Attempts = 1 });
    }

    private Deadline Deadline(Moment now) =>
        Volatile.Read(ref _options).Deadline is { } deadline ? Resilience.Deadline.After(now, deadline.Timeout) : default;

    /// <summary>Asks every policy for one attempt, cheapest refusal first, and takes nothing when one of them refuses.</summary>
    private bool TryStart<TState, T>(in Call<TState, T> call, Moment now, out Attempt attempt, out Outcome<T> refused)
    {
        attempt = default;
        refused = default;
        if (call.Deadline.HasPassed(now))
        {
            refused = new Outcome<T> { Refusal = PipelineRefusal.DeadlinePassed };
            return false;
        }

        LimitPermit limit = default;
        if (_limiter is { } limiter && !limiter.TryAcquire(now, out limit))
        {
            refused = new Outcome<T> { Refusal = PipelineRefusal.LimitReached };
            return false;
        }

        BreakerPermit breaker = default;
        if (Breaker is not null)
        {
            var decision = Breaker.TryAcquire(now);
            if (!decision.Allowed)
            {
                _limiter?.Release(limit, _route, OutcomeKind.ConnectionFailure, now);
                refused = new Outcome<T> { Refusal = PipelineRefusal.BreakerOpen, RetryAfter = decision.RetryAfter };
                return false;
            }

            breaker = decision.Permit;
        }

        var timeout = call.Deadline.IsNone ? null : _timeouts.Rent(AttemptTime(call.Deadline, now));
        attempt = new Attempt(now, limit, breaker, timeout);
        return true;
    }

    private TimeSpan AttemptTime(Deadline deadline, Moment now) => Volatile.Read(ref _options).Deadline is { } options
        ? deadline.ForAttempt(now, options).Remaining(now)
        : deadline.Remaining(now);

    private void End(in Attempt attempt, OutcomeKind outcome)
    {
        var now = _clock.Now;
        if (attempt.Timeout is not null)
            _timeouts.Return(attempt.Timeout);
        Breaker?.Report(attempt.Breaker, outcome, now);
        _limiter?.Release(attempt.Limit, _route, outcome, now);
    }

    /// <summary>Everything that does not complete at once: waiting for the attempt, and the attempts after it.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Outcome<T>> Continue<TState, T>(Call<TState, T> call, Attempt attempt, ValueTask<T> running)
    {
        var delay = TimeSpan.Zero;
        for (var made = 1; ; made++)
        {
            var registration = attempt.Link(call.CancellationToken);
            T? value = default;
            Exception? thrown = null;
            try
            {
                value = await running.ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                thrown = exception;
            }

            await registration.DisposeAsync().ConfigureAwait(false);
            var kind = Kind(attempt, thrown, call.CancellationToken);
            End(attempt, kind);
            if (kind == OutcomeKind.Success)
            {
                if (made == 1)
                    _budget?.OnFirstAttemptSuccess(_clock.Now);
                return new Outcome<T> { Value = value, Attempts = made };
            }

            var decision = Decide(call.Deadline, made, kind, delay);
            if (!decision.ShouldRetry)
                return new Outcome<T> { Exception = thrown, Attempts = made };

            delay = decision.Delay;
            if (delay > TimeSpan.Zero && await Cancelled(delay, call.CancellationToken).ConfigureAwait(false))
                return new Outcome<T> { Exception = thrown, Attempts = made };
            if (!TryStart(call, _clock.Now, out attempt, out var refused))
                return refused with { Attempts = made };
            running = Begin(call, attempt);
        }
    }

    /// <summary>What a callback throws before its first await is a failure like any other.</summary>
    private static ValueTask<T> Begin<TState, T>(in Call<TState, T> call, in Attempt attempt)
    {
        try
        {
            return call.Callback(call.State, attempt.Token(call.CancellationToken));
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<T>(exception);
        }
    }

    private static OutcomeKind Kind(in Attempt attempt, Exception? thrown, CancellationToken caller)
    {
        if (thrown is null)
            return OutcomeKind.Success;
        if (caller.IsCancellationRequested)
            return OutcomeKind.Abandoned;
        return thrown is OperationCanceledException && attempt.Timeout is { IsCancellationRequested: true } ? OutcomeKind.Timeout : OutcomeKind.Failure;
    }

    private RetryDecision Decide(Deadline deadline, int made, OutcomeKind kind, TimeSpan previous)
    {
        if (_retry is null)
            return new RetryDecision(RetryVerdict.NotRetryable, default);
        var question = new RetryQuestion
        {
            AttemptsMade = made,
            Retryability = kind == OutcomeKind.Abandoned ? Retryability.CallerLeft : Retryability.Retryable,
            Deadline = deadline,
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
    private readonly record struct Call<TState, T>(
        Func<TState, CancellationToken, ValueTask<T>> Callback, TState State, Deadline Deadline, CancellationToken CancellationToken);

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
