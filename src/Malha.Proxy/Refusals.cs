using Malha.Proxy.Admission;
using Malha.Proxy.Http1;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy;

/// <summary>From what happened to an exchange to the refusal that says so, with the rule, its limit and what was measured.</summary>
internal static class Refusals
{
    public static Refusal Cancelled(Exchange exchange) => exchange.Cancelled switch
    {
        CancelReason.SlowBody => new Refusal(RefusalKind.SlowRequest),
        CancelReason.Shutdown => new Refusal(RefusalKind.Shutdown),
        _ => new Refusal(RefusalKind.ClientGone),
    };

    public static Refusal BodyFault(Exchange exchange) => exchange.Body.Fault switch
    {
        HttpFault.None => new Refusal(RefusalKind.ClientGone),
        HttpFault.BodyTooLarge => TooLarge(exchange, exchange.Body.Received),
        var fault => new Refusal(RefusalKind.Malformed, fault),
    };

    public static Refusal TooLarge(Exchange exchange, long observed)
    {
        var target = exchange.Target!;
        return new Refusal(RefusalKind.BodyTooLarge, Rule: target.MaxBodyRule, Limit: target.MaxBody ?? 0, Observed: observed, Unit: "bytes");
    }

    public static Refusal TooManyStreams(Exchange exchange)
    {
        var service = exchange.Service!;
        var limit = service.Config.MaxStreams;
        return new Refusal(RefusalKind.StreamLimit, Rule: service.Rules.MaxStreams, Limit: limit, Observed: limit, Unit: "streams");
    }

    /// <summary>No head came. What ended it from outside goes before what that did to the connection.</summary>
    public static Refusal Unanswered(Exchange exchange, UpstreamAnswer connection, DataPlane plane)
    {
        if (exchange.Cancelled != CancelReason.None)
            return Cancelled(exchange);
        if (exchange.Body.Fault != HttpFault.None || exchange.Body.IsBroken)
            return BodyFault(exchange);
        if (connection.TimedOut)
            return TimedOut(exchange, plane);
        return connection.Fault == HttpFault.None ? new Refusal(RefusalKind.ConnectionLost) : new Refusal(RefusalKind.BadAnswer, connection.Fault);
    }

    public static Refusal NotConnected(Exchange exchange, AttemptSlot slot, ConnectOutcome outcome, DataPlane plane)
    {
        if (exchange.Cancelled != CancelReason.None)
            return Cancelled(exchange);
        if (plane.Wheel.NowMs >= slot.Deadline)
            return TimedOut(exchange, plane);
        var service = exchange.Service!;
        return outcome switch
        {
            ConnectOutcome.TimedOut => new Refusal(RefusalKind.ConnectTimeout, Rule: service.Rules.ConnectTimeout, Limit: service.Config.ConnectTimeout.TotalMilliseconds,
                Observed: plane.Time.GetElapsedTime(exchange.StartedAt).TotalMilliseconds, Unit: "ms"),
            ConnectOutcome.Overflow => new Refusal(RefusalKind.ConnectionLimit, Rule: service.Rules.MaxConnections, Limit: service.Config.MaxConnections,
                Observed: slot.Endpoint.Open, Unit: "connections"),
            ConnectOutcome.Untrusted => new Refusal(RefusalKind.Untrusted, Rule: service.Rules.Tls, Detail: slot.Endpoint.LastTlsFailure),
            ConnectOutcome.OutOfFiles => plane.Protection.OutOfFiles(),
            _ => new Refusal(RefusalKind.ConnectFailed),
        };
    }

    /// <summary>Which of the two clocks ran out: the whole request's or the attempt's.</summary>
    public static Refusal TimedOut(Exchange exchange, DataPlane plane)
    {
        var target = exchange.Target!;
        // While the request is still coming in, only a server that takes nothing of it is late; or the client, that was told to go on and did not.
        if (exchange.HasUpload && !exchange.Body.IsComplete && !exchange.AwaitsContinue)
        {
            var idle = target.IdleTimeout.TotalMilliseconds;
            return exchange.Body.Received == 0 ? new Refusal(RefusalKind.SlowRequest)
                : new Refusal(RefusalKind.Deadline, Rule: target.IdleTimeoutRule, Limit: idle, Observed: idle, Unit: "ms");
        }

        var isAttempt = exchange.AttemptTimeout is not null && plane.Wheel.NowMs < exchange.Deadline;
        return new Refusal(
            RefusalKind.Deadline, Rule: isAttempt ? AttemptTimeoutRule(exchange) : TimeoutRule(exchange),
            Limit: (isAttempt ? exchange.AttemptTimeout!.Value : exchange.Timeout).TotalMilliseconds,
            Observed: plane.Time.GetElapsedTime(exchange.StartedAt).TotalMilliseconds, Unit: "ms");
    }

    /// <summary>What is left of the request's time is less than an answer takes.</summary>
    public static Refusal TooLate(Exchange exchange, TimeSpan typical) => new(
        RefusalKind.Deadline, Rule: TimeoutRule(exchange), Limit: exchange.Timeout.TotalMilliseconds, Observed: typical.TotalMilliseconds, Unit: "ms");

    /// <summary>The service takes less than is asked for. The limit is what the requests that it took are good for.</summary>
    public static Refusal Throttled(Exchange exchange, CallerThrottle caller, Moment now)
    {
        var (requests, accepts) = caller.Throttle.Counts(now);
        var wait = caller.RetryAt - now;
        return new Refusal(RefusalKind.Throttled, Rule: exchange.Service!.Rules.Throttle, Limit: Math.Floor(accepts * caller.Throttle.Options.Multiplier), Observed: requests, Unit: "requests",
            RetryAfterMs: (long)(wait > TimeSpan.Zero ? wait : Malha.Resilience.Defaults.AdmissionRetryAfter).TotalMilliseconds);
    }

    public static Refusal BreakerOpen(Exchange exchange, in BreakerDecision decision)
    {
        var rules = exchange.Service!.Rules;
        var retryAfter = (long)decision.RetryAfter.TotalMilliseconds;
        return decision.Rule switch
        {
            BreakerRule.FailureRatio => new Refusal(
                RefusalKind.BreakerOpen, Rule: rules.BreakerFailures, Limit: decision.Limit, Observed: decision.Observed, Unit: "share of failures", RetryAfterMs: retryAfter),
            BreakerRule.Consecutive => new Refusal(
                RefusalKind.BreakerOpen, Rule: rules.BreakerConsecutive, Limit: decision.Limit, Observed: decision.Observed, Unit: "failures", RetryAfterMs: retryAfter),
            BreakerRule.SlowRatio => new Refusal(
                RefusalKind.BreakerOpen, Rule: rules.BreakerSlow, Limit: decision.Limit, Observed: decision.Observed, Unit: "share of slow calls", RetryAfterMs: retryAfter),
            BreakerRule.Ramp => new Refusal(RefusalKind.BreakerOpen, Rule: rules.BreakerRamp, RetryAfterMs: retryAfter),
            BreakerRule.Manual => new Refusal(RefusalKind.BreakerOpen, Rule: "malha breaker open", RetryAfterMs: retryAfter),
            _ => new Refusal(RefusalKind.BreakerOpen, Rule: rules.BreakerProbes, RetryAfterMs: retryAfter),
        };
    }

    // A route's own timeout is a rule of the route.
    private static string TimeoutRule(Exchange exchange) =>
        exchange.Route is { Config.Timeout: not null } route ? route.TimeoutRule : exchange.Service!.Rules.Timeout;

    private static string AttemptTimeoutRule(Exchange exchange) =>
        exchange.Route is { Config.AttemptTimeout: not null } route ? route.AttemptTimeoutRule : exchange.Service!.Rules.AttemptTimeout;
}
