using System.Globalization;
using System.Runtime.CompilerServices;
using Malha.Proxy.Rpc;
using Malha.Proxy.Http1;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream.Http2;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>What came of one attempt: a connection with the answer's head on it, or the reason why there is none.</summary>
/// <param name="Outcome">For the policies.</param>
/// <param name="Connection">Carries the final head; null when there is none.</param>
/// <param name="Refusal">Why there is none.</param>
/// <param name="IsTelling">Whether the time until the head is the service's own: neither an error's nor one that a client took to send its request.</param>
/// <param name="RetryAfter">What the service asked for.</param>
internal readonly record struct AttemptResult(
    OutcomeKind Outcome, UpstreamAnswer? Connection, Refusal Refusal, bool IsTelling = false, TimeSpan? RetryAfter = null);

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

        if (endpoint.Http2 is { } http2)
            return await CallAsync(exchange, slot, http2);

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

    // Over HTTP/2: which connection carries it is the client library's business, and so is it to find another one for a call that was refused untouched.
    private async ValueTask<AttemptResult> CallAsync(Exchange exchange, AttemptSlot slot, Http2Endpoint http2)
    {
        if (exchange.Request.IsAsterisk)
        {
            // The client library has no word for it, and no service of today either.
            slot.Endpoint.Load.Finished();
            return Ended(exchange, slot, new AttemptResult(OutcomeKind.Abandoned, null, new Refusal(RefusalKind.Malformed, HttpFault.BadTarget)));
        }
        if (http2.TryBegin(plane.Wheel) is not { } call)
        {
            slot.Endpoint.Load.Finished();
            var full = Refusals.NotConnected(exchange, slot, ConnectOutcome.Overflow, plane);
            return Ended(exchange, slot, new AttemptResult(Unreached(exchange, slot, full, ConnectOutcome.Overflow), null, full));
        }
        if (await call.AskAsync(exchange, slot) == HeadOutcome.Final)
            return Ended(exchange, slot, Answered(exchange, call));

        var isReached = call.Reached == ConnectOutcome.Connected;
        exchange.MayHaveRun |= isReached;
        var refusal = isReached ? Refusals.Unanswered(exchange, call, plane) : Refusals.NotConnected(exchange, slot, call.Reached, plane);
        var outcome = isReached ? Unanswered(exchange, slot, refusal.Kind) : Unreached(exchange, slot, refusal, call.Reached);
        Finish(slot, call, clean: false);
        return Ended(exchange, slot, new AttemptResult(outcome, null, refusal));
    }

    /// <summary>Gives back a connection whose exchange is over, or whose answer nobody will read.</summary>
    public static void Finish(AttemptSlot slot, UpstreamAnswer connection, bool clean)
    {
        slot.Detach();
        connection.Endpoint.Load.Finished();
        connection.Return(clean);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<HeadOutcome> AskAsync(Exchange exchange, AttemptSlot slot, UpstreamConnection connection)
    {
        if (!slot.Attach(connection))
            return HeadOutcome.Nothing;
        connection.ArmDeadline(slot.Deadline);
        exchange.MayHaveRun = true;
        // Whether it worked does not matter yet: a server that closed while we sent may have answered first.
        await SendAsync(exchange, slot, connection);
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
                exchange.Source.ExpectBody();
            }
            connection.NextHead();
        }
    }

    private ValueTask<bool> SendAsync(Exchange exchange, AttemptSlot slot, UpstreamConnection connection)
    {
        var body = exchange.Body;
        var buffer = connection.Out(RequestWriter.Bound(exchange));
        var length = RequestWriter.WriteHead(buffer, exchange, connection.Endpoint.Authority, slot.SpanId);
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
    private static AttemptResult Answered(Exchange exchange, UpstreamAnswer connection)
    {
        var head = connection.Head;
        if (exchange.IsGrpc && GrpcCall.StatusOf(head) is { } status and not 0)
            return new AttemptResult(OfGrpc(exchange, (GrpcStatus)Math.Min(status, byte.MaxValue)), connection, Refusal.None);
        if (head.Status < 429)
            return new AttemptResult(OutcomeKind.Success, connection, Refusal.None, IsTelling: head.Status < 400 && !exchange.HasUpload);
        var retryAfter = RetryAfter(head);
        var outcome = head.Status == 429 || (head.Status == 503 && retryAfter is not null) ? OutcomeKind.BackPressure
            : head.Status is >= 500 and not (501 or 505) ? OutcomeKind.Failure : OutcomeKind.Success;
        return new AttemptResult(outcome, connection, Refusal.None, RetryAfter: retryAfter);
    }

    // An answer of trailers only says at once how the call ended. What the caller did wrong, or asked for, is no failure of the service.
    private static OutcomeKind OfGrpc(Exchange exchange, GrpcStatus status) => status switch
    {
        GrpcStatus.ResourceExhausted => OutcomeKind.BackPressure,
        GrpcStatus.Unknown or GrpcStatus.Internal or GrpcStatus.Unavailable or GrpcStatus.DataLoss => OutcomeKind.Failure,
        GrpcStatus.DeadlineExceeded => exchange.CallDeadline == TimerEntry.None ? OutcomeKind.Failure : OutcomeKind.Abandoned,
        _ => OutcomeKind.Success,
    };

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
