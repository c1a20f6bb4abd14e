using System.Runtime.CompilerServices;
using Malha.Proxy.Admission;
using Malha.Proxy.Telemetry.Decisions;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>Makes attempts until one has answered or no other would be sensible, and passes the answer on.</summary>
internal sealed class AttemptLoop
{
    /// <summary>Endpoints that are asked in turn when one refuses the connection: that costs a service nothing, and needs no retry policy.</summary>
    private const int MaxUnreached = 3;

    private readonly DataPlane _plane;
    private readonly EndpointAttempt _attempt;
    private readonly HedgedAttempts _hedged;
    private readonly AnswerRelay _relay;

    public AttemptLoop(DataPlane plane)
    {
        _plane = plane;
        _attempt = new EndpointAttempt(plane);
        _hedged = new HedgedAttempts(plane, _attempt);
        _relay = new AnswerRelay(plane);
    }

    public ValueTask<Refusal> RunAsync(Exchange exchange)
    {
        // Before anything is spent on a request that the service would send away.
        var throttle = exchange.Service!.State.Throttle;
        return throttle.Of(exchange) is { } caller ? RunThrottledAsync(exchange, throttle, caller) : AttemptAsync(exchange);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<Refusal> RunThrottledAsync(Exchange exchange, ServiceThrottle throttle, CallerThrottle caller)
    {
        var now = _plane.Clock.Now;
        if (!throttle.TryPass(exchange, caller, now))
            return Refusals.Throttled(exchange, caller, now);
        var refusal = await AttemptAsync(exchange);
        ServiceThrottle.Ended(exchange, _plane.Clock.Now);
        return refusal;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<Refusal> AttemptAsync(Exchange exchange)
    {
        var service = exchange.Service!;
        // Nothing is waited for, not even the body, when nobody could answer.
        if (service.State.Health is { IsUnhealthy: true } health)
            return health.Refuse(_plane.Clock.Now);
        exchange.BegunAt = _plane.Wheel.NowMs;
        if (!await ReadBodyAsync(exchange))
            return exchange.Cancelled == CancelReason.None ? Refusals.BodyFault(exchange) : Refusals.Cancelled(exchange);
        if (exchange.Body.IsComplete)
            exchange.Source.WatchClient();
        var now = _plane.Clock.Now;
        exchange.BeginTimeout(_plane.Wheel, now);
        // As soon as there is something to copy, and before a refusal: a mirror is to see what comes, not what is let pass.
        if (!exchange.IsDelivery)
            exchange.Target!.Mirror?.Copy(exchange, _plane);
        while (exchange.Cancelled == CancelReason.None)
        {
            // Admission first: who waits must hold nothing of an endpoint's. The permit is this attempt's alone, and none is held during a back-off.
            var admission = service.State.Admission;
            if (admission is not null && !admission.TryAdmit(exchange, now, out var full))
            {
                if (full.IsNone)
                    full = await admission.WaitAsync(exchange);
                if (!full.IsNone)
                    return full;
                now = _plane.Clock.Now;
            }

            // Then an endpoint whose breaker lets it pass: a breaker counts only what really goes out.
            var endpoint = service.Choose(exchange, _plane.Wheel.NowMs, now, out var breaker);
            if (endpoint is null)
            {
                admission?.GiveBack(exchange.Attempt, now);
                return service.Endpoints.Length == 0 || breaker.Allowed ? service.WhyNobody(now) : Refusals.BreakerOpen(exchange, breaker);
            }

            exchange.Attempt.Begin(endpoint, breaker, admission);
            var result = exchange.Target!.Hedge is { } hedging && HedgedAttempts.Allows(exchange)
                ? await _hedged.RunAsync(exchange, hedging) : await _attempt.RunAsync(exchange, exchange.Attempt);

            now = _plane.Clock.Now;
            exchange.IsPushedBack = false;
            if (result is { Outcome: OutcomeKind.BackPressure, Connection: { } away })
                service.State.Throttle.PushedBack(exchange, isBusy: away.Head.Status == 503, result.RetryAfter, now);
            var (again, delay) = ShouldRepeat(exchange, result, now);
            if (!again)
            {
                // At the head: how long a body takes says nothing.
                ServiceThrottle.Ended(exchange, now);
                return result.Connection is { } answered ? await _relay.PassAsync(exchange, answered) : result.Refusal;
            }
            if (result.Connection is { } discarded)
                EndpointAttempt.Finish(exchange.Attempt, discarded, clean: false);
            if (delay > TimeSpan.Zero)
            {
                await exchange.Pause.ForAsync(_plane.Wheel, delay, exchange);
                now = _plane.Clock.Now;
            }
        }
        return Refusals.Cancelled(exchange);
    }

    private (bool Again, TimeSpan Delay) ShouldRepeat(Exchange exchange, in AttemptResult result, Moment now)
    {
        var state = exchange.Service!.State;
        var retry = exchange.Target!.Retry;
        if (result.Outcome == OutcomeKind.Success)
        {
            // First attempts that succeed are what retries are paid from.
            if (retry is not null && exchange.Attempts == 1 && !exchange.IsDelivery)
                exchange.Service.BudgetOf(exchange).OnFirstAttemptSuccess(now);
            return default;
        }
        if (exchange.Cancelled != CancelReason.None)
            return Follow(exchange, NextStep.CallerLeft);

        // An endpoint that is not there is no reason to wait when another may be.
        var untried = exchange.Attempts < Math.Min(MaxUnreached, exchange.Service.Endpoints.Length);
        if (result.Refusal.Kind == RefusalKind.ConnectFailed && untried)
            return Follow(exchange, NextStep.OtherEndpoint, true);

        // A delivery is repeated by its lane, which has hours.
        if (retry is null || exchange.IsDelivery)
            return Follow(exchange, NextStep.NoPolicy);
        var decision = state.DecideRetry(retry, exchange, result, now);
        exchange.PreviousDelay = decision.Delay;
        return Follow(exchange, NextSteps.Of(decision), decision.ShouldRetry, decision.Delay);
    }

    // What is decided is remembered with the attempt, for whoever asks why.
    private static (bool Again, TimeSpan Delay) Follow(Exchange exchange, NextStep next, bool again = false, TimeSpan delay = default)
    {
        exchange.AttemptLog.Followed(next, delay);
        return (again, delay);
    }

    // What the client has sent already is taken in before an endpoint is chosen; a route may ask for more.
    private static ValueTask<bool> ReadBodyAsync(Exchange exchange)
    {
        if (exchange.Body.IsComplete || exchange.Request.ExpectsContinue)
            return new ValueTask<bool>(true);
        return exchange.Body.ReadAvailable()
            ? exchange.Body.BufferAsync(exchange.Route?.Config.BufferRequests ?? 0)
            : new ValueTask<bool>(false);
    }
}
