using System.Globalization;
using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>What came of one attempt: a connection with the answer's head on it, or the reason why there is none.</summary>
/// <param name="Outcome">For the policies.</param>
/// <param name="Connection">Carries the final head; null when there is none.</param>
/// <param name="Refusal">Why there is none.</param>
/// <param name="IsTelling">Whether the time until the head is the service's own: neither an error's nor one that a client took to send its request.</param>
/// <param name="RetryAfter">What the service asked for.</param>
internal readonly record struct AttemptResult(
    OutcomeKind Outcome, UpstreamConnection? Connection, Refusal Refusal, bool IsTelling = false, TimeSpan? RetryAfter = null);

/// <summary>One attempt at one endpoint: a connection, the request, the wait for the final head.</summary>
internal sealed class EndpointAttempt(DataPlane plane)
{
    /// <summary>Shorter than any server's keep-alive timeout.</summary>
    private const int FreshMs = 1_000;

    private readonly RequestUpload _upload = new(plane.Wheel, plane.Clock);

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<AttemptResult> RunAsync(Exchange exchange, AttemptSlot slot)
    {
        var endpoint = slot.Endpoint;
        exchange.Attempts++;
        exchange.BeginAttempt(plane.Wheel, slot);
        endpoint.Load.Started();
        plane.Telemetry.AttemptBegan(exchange, slot);

        // The server may be closing an idle connection just now. A request that can be repeated takes one all the same; a body that is still coming in could
        // be sent only once, and goes over a connection that was in use a moment ago, or a new one.
        var connection = exchange.Body.IsComplete ? endpoint.TryLease() : endpoint.TryLease(plane.Wheel.NowMs - FreshMs);
        while (true)
        {
            if (connection is null)
            {
                var (opened, outcome) = await endpoint.ConnectAsync(exchange.Service!.Config, slot);
                if (opened is null)
                {
                    var unreached = Refusals.NotConnected(exchange, slot, outcome, plane);
                    endpoint.Load.Finished();
                    return Ended(exchange, slot, new AttemptResult(Unreached(exchange, slot, unreached, outcome), null, unreached));
                }
                connection = opened;
            }

            var head = await AskAsync(exchange, slot, connection);
            if (head == HeadOutcome.Final)
                return Ended(exchange, slot, Answered(exchange, connection));

            var unanswered = Refusals.Unanswered(exchange, connection, plane);
            // The server closed an idle connection as we sent: nobody's failure, and said again at once over a new one where that is safe.
            // What is still being sent cannot be sent again.
            var again = connection.IsReused && head == HeadOutcome.Nothing && unanswered.Kind == RefusalKind.ConnectionLost
                && !exchange.HasUpload && !slot.HasLost && exchange.Request.IsIdempotent && exchange.Body.CanReplay;
            if (again)
            {
                slot.Detach();
                endpoint.Return(connection, clean: false);
                connection = null;
                continue;
            }
            Finish(slot, connection, clean: false);
            return Ended(exchange, slot, new AttemptResult(Unanswered(exchange, slot, unanswered.Kind), null, unanswered));
        }
    }

    /// <summary>Gives back a connection whose exchange is over, or whose answer nobody will read.</summary>
    public static void Finish(AttemptSlot slot, UpstreamConnection connection, bool clean)
    {
        slot.Detach();
        connection.Endpoint.Load.Finished();
        connection.Endpoint.Return(connection, clean);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<HeadOutcome> AskAsync(Exchange exchange, AttemptSlot slot, UpstreamConnection connection)
    {
        if (!slot.Attach(connection))
            return HeadOutcome.Nothing;
        connection.ArmDeadline(slot.Deadline);
        // Whether it worked does not matter yet: a server that closed while we sent may have answered first.
        await SendAsync(exchange, connection);
        while (true)
        {
            var outcome = await connection.ReadHeadAsync();
            if (outcome != HeadOutcome.Informational)
                return outcome;
            if (!exchange.IsHedged && !await exchange.Response.SendInformationalAsync(connection.Head))
                return HeadOutcome.Truncated;
            if (connection.Head.Status == 100 && exchange.AwaitsContinue)
            {
                exchange.Continue();
                exchange.Connection.ExpectBody();
            }
            connection.NextHead();
        }
    }

    private ValueTask<bool> SendAsync(Exchange exchange, UpstreamConnection connection)
    {
        var body = exchange.Body;
        var buffer = connection.Out(RequestWriter.Bound(exchange));
        var length = RequestWriter.WriteHead(buffer, exchange, connection.Endpoint.Authority);
        if (body.IsComplete && !body.IsChunked && body.Stored.IsEmpty && length + body.PrefixLength <= buffer.Length)
        {
            body.Prefix.CopyTo(buffer[length..]);
            return connection.SendOutAsync(length + body.PrefixLength);
        }
        return _upload.SendAsync(exchange, connection, length);
    }

    // All that learn from it do so at the head: how long a body takes is the client's business too.
    private AttemptResult Ended(Exchange exchange, AttemptSlot slot, in AttemptResult result)
    {
        var latency = plane.Telemetry.AttemptEnded(exchange, slot, result.Connection?.Head.Status ?? 0, slot.HasLost ? RefusalKind.HedgeLost : result.Refusal.Kind);
        var now = plane.Clock.Now;
        var service = exchange.Service!;
        slot.Breaker?.Report(slot.BreakerPermit, result.Outcome, now);
        service.State.Health?.OnAttempt(slot.Endpoint, result.Outcome, now);
        slot.Admission?.Release(exchange, slot, result, now);

        // What the balancer goes by, where there is a choice. A quick failure is no quick answer; a client that left says nothing.
        if (service.Endpoints.Length == 1 || result.Outcome == OutcomeKind.Abandoned || exchange.Cancelled != CancelReason.None)
            return result;
        if (result.Outcome == OutcomeKind.Success && exchange.HasUpload)
            return result;
        if (result.Outcome == OutcomeKind.Success)
            slot.Endpoint.Load.Answered(plane.Wheel.NowMs, latency);
        else
            slot.Endpoint.Load.Failed(plane.Wheel.NowMs, latency);
        return result;
    }

    // 429, and 503 with a word about when to come back, ask for less; other 5xx mean that it failed.
    private static AttemptResult Answered(Exchange exchange, UpstreamConnection connection)
    {
        var head = connection.Head;
        if (head.Status < 429)
            return new AttemptResult(OutcomeKind.Success, connection, Refusal.None, IsTelling: head.Status < 400 && !exchange.HasUpload);
        var retryAfter = RetryAfter(head);
        var outcome = head.Status == 429 || (head.Status == 503 && retryAfter is not null) ? OutcomeKind.BackPressure
            : head.Status is >= 500 and not (501 or 505) ? OutcomeKind.Failure : OutcomeKind.Success;
        return new AttemptResult(outcome, connection, Refusal.None, RetryAfter: retryAfter);
    }

    // Seconds only: a date would be another machine's clock.
    private static TimeSpan? RetryAfter(ResponseHead head) =>
        head.Has(KnownHeader.RetryAfter) && int.TryParse(head.Value(KnownHeader.RetryAfter), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(seconds) : null;

    private static OutcomeKind Unreached(Exchange exchange, AttemptSlot slot, in Refusal refusal, ConnectOutcome outcome) =>
        slot.HasLost || exchange.Cancelled != CancelReason.None ? OutcomeKind.Abandoned
        : refusal.Kind == RefusalKind.Deadline ? OutOfTime(exchange, slot)
        // Our own limit says nothing about the endpoint.
        : outcome is ConnectOutcome.Overflow or ConnectOutcome.OutOfFiles ? OutcomeKind.BackPressure : OutcomeKind.ConnectionFailure;

    // Of the time that the caller had, and not the operator's, nothing can be concluded.
    private static OutcomeKind OutOfTime(Exchange exchange, AttemptSlot slot) =>
        exchange.IsCallersDeadline && slot.Deadline == exchange.Deadline ? OutcomeKind.Abandoned : OutcomeKind.Timeout;

    private static OutcomeKind Unanswered(Exchange exchange, AttemptSlot slot, RefusalKind kind) => slot.HasLost ? OutcomeKind.Abandoned : kind switch
    {
        RefusalKind.Deadline => OutOfTime(exchange, slot),
        RefusalKind.ConnectionLost or RefusalKind.BadAnswer => OutcomeKind.Failure,
        _ => OutcomeKind.Abandoned,
    };
}
