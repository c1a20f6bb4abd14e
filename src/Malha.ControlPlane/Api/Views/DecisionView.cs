using System.Text;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Decisions;

namespace Malha.ControlPlane.Api.Views;

/// <summary>What Malha decided about a request, and why.</summary>
/// <param name="Id">The request's id, as in its answer's X-Request-Id.</param>
/// <param name="Sequence">Counts decisions since the start.</param>
/// <param name="TraceId">The W3C trace that the request belongs to.</param>
/// <param name="At">When the request had come to its end.</param>
/// <param name="Outcome">`deferred` (accepted for later), `refused`, `cancelled` (the client did not wait), `cut` (the answer broke off), `retried` (answered after more than one attempt) or `not-retried` (an endpoint's failure was passed on, since the policy allowed no other attempt).</param>
/// <param name="Status">What the client was answered; 499 when it did not wait for it.</param>
/// <param name="DurationMs">From the request's head to its end.</param>
/// <param name="Client">The peer's address.</param>
/// <param name="ClientName">Which of the file's clients it is; null when none took the request.</param>
/// <param name="Method">The method; empty when no request line came.</param>
/// <param name="Target">The target, with secrets masked; cut when it is long.</param>
/// <param name="Listener">Where the request came in.</param>
/// <param name="Route">The route that took it; null when none did.</param>
/// <param name="Service">The route's service.</param>
/// <param name="Refusal">Why Malha answered or ended it itself; null when an endpoint's answer was passed on.</param>
/// <param name="Deferred">That it was accepted for later; null when it was not.</param>
/// <param name="AttemptCount">Attempts made.</param>
/// <param name="Attempts">The first ones and the last.</param>
public sealed record DecisionView(
    string Id, long Sequence, string TraceId, DateTimeOffset At, string Outcome, int Status, double DurationMs, string Client, string? ClientName, string Method, string Target,
    string? Listener, string? Route, string? Service, RefusalView? Refusal, DeferredView? Deferred, int AttemptCount, IReadOnlyList<AttemptView> Attempts)
{
    internal static DecisionView Of(Decision decision) => new(
        decision.RequestId,
        decision.Sequence,
        decision.TraceId,
        decision.Time,
        decision.Refusal.Kind switch
        {
            RefusalKind.None when decision.Deferred is not null => "deferred",
            RefusalKind.None => decision.AttemptCount > 1 ? "retried" : "not-retried",
            RefusalKind.ClientGone => "cancelled",
            _ => decision.IsCut ? "cut" : "refused",
        },
        decision.Status,
        Math.Round(decision.Duration.TotalMilliseconds, 3),
        decision.Client,
        decision.ClientName,
        decision.Method,
        decision.Target,
        decision.Listener,
        decision.Route,
        decision.Service,
        decision.Refusal.IsNone ? null : RefusalView.Of(decision.Refusal),
        decision.Deferred is { } deferred ? new DeferredView(deferred.Operation, deferred.Acks, deferred.Why.IsNone ? null : RefusalView.Of(deferred.Why)) : null,
        decision.AttemptCount,
        [.. decision.Attempts.Select(AttemptView.Of)]);
}

/// <summary>That a request was accepted for later.</summary>
/// <param name="Operation">The operation's name: `operations/{id}` tells how it stands.</param>
/// <param name="Acks">What was promised: none, leader or all.</param>
/// <param name="Why">What kept it from being done at once; null: its route defers it in any case, its client asked for it, or others of its key were before it.</param>
public sealed record DeferredView(string Operation, string Acks, RefusalView? Why);

/// <summary>Which rule decided, and what was measured against which limit.</summary>
/// <param name="Type">The problem type of the answer.</param>
/// <param name="Title">What happened.</param>
/// <param name="Detail">Which rule of HTTP the message breaks, or what else there is to say; null when the rest says it all.</param>
/// <param name="Rule">The path of the setting that decided, or the rule of HTTP.</param>
/// <param name="Limit">The setting's value, in `unit`.</param>
/// <param name="Observed">What was measured, in `unit`.</param>
/// <param name="Unit">The unit of both; null when nothing was measured.</param>
/// <param name="RetryAfterMs">When it may help to try again; null when it is not known.</param>
public sealed record RefusalView(string Type, string Title, string? Detail, string? Rule, double? Limit, double? Observed, string? Unit, long? RetryAfterMs)
{
    internal static RefusalView Of(Refusal refusal)
    {
        var isMeasured = refusal.Unit is not null;
        return new RefusalView(
            "urn:malha:problem:" + RefusalNames.TextOf(refusal.Kind),
            Encoding.ASCII.GetString(ProblemWriter.Title(refusal.Kind)),
            refusal.Fault == HttpFault.None ? refusal.Detail : refusal.Fault.Describe(),
            refusal.Rule ?? RefusalNames.RuleOf(refusal.Fault),
            isMeasured ? refusal.Limit : null,
            isMeasured ? refusal.Observed : null,
            refusal.Unit,
            refusal.RetryAfterMs > 0 ? refusal.RetryAfterMs : null);
    }
}

/// <summary>One attempt.</summary>
/// <param name="Endpoint">Where it went.</param>
/// <param name="StartMs">Since the request's head.</param>
/// <param name="DurationMs">To the answer's head, or to its failure.</param>
/// <param name="Status">The answer's status; null when there was none.</param>
/// <param name="Failure">Why there was none; null when there was one.</param>
/// <param name="Next">
/// What followed on a failure: `other-endpoint` (at once, since the connection was refused) or `retried` (after `delayMs`); else why nothing did: `caller-left`, `no-policy`,
/// `attempts-spent`, `budget-spent`, `deadline-too-near`, `not-idempotent`, `body-gone`, `answer-started`, `retried-above`. Null: it did not fail.
/// </param>
/// <param name="DelayMs">The back-off before the next attempt, or that there would have been; null: none.</param>
public sealed record AttemptView(string Endpoint, double StartMs, double DurationMs, int? Status, string? Failure, string? Next, double? DelayMs)
{
    internal static AttemptView Of(AttemptRecord attempt) => new(
        attempt.Endpoint.Name,
        Math.Round(attempt.Start.TotalMilliseconds, 3),
        Math.Round(attempt.Duration.TotalMilliseconds, 3),
        attempt.Status == 0 ? null : attempt.Status,
        attempt.Failure == RefusalKind.None ? null : RefusalNames.TextOf(attempt.Failure),
        NextSteps.NameOf(attempt.Next),
        attempt.Delay > TimeSpan.Zero ? Math.Round(attempt.Delay.TotalMilliseconds, 3) : null);
}
