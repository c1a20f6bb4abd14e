using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;

namespace Malha.Proxy;

/// <summary>Sends a request to an endpoint until one has answered, as often as it is safe and sensible, and relays the answer.</summary>
internal sealed class AttemptLoop(DataPlane plane)
{
    /// <summary>Attempts after a connection that could not be made or that the server had closed: it costs the server nothing.</summary>
    private const int MaxConnectionAttempts = 3;

    /// <summary>Shorter than any server's keep-alive timeout.</summary>
    private const int FreshMs = 1_000;

    private readonly RequestUpload _upload = new(plane.Wheel);

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<Refusal> RunAsync(Exchange exchange)
    {
        var service = exchange.Service!;
        exchange.BegunAt = plane.Wheel.NowMs;
        if (!await ReadBodyAsync(exchange))
            return exchange.Cancelled == CancelReason.None ? BodyFault(exchange) : Cancelled(exchange);
        if (exchange.Body.IsComplete)
            exchange.Connection.WatchClient();
        exchange.BeginTimeout(plane.Wheel);
        while (true)
        {
            if (exchange.Cancelled != CancelReason.None)
                return Cancelled(exchange);
            var endpoint = service.Choose(exchange, plane.Wheel.NowMs);
            if (endpoint is null)
                return new Refusal(RefusalKind.NoEndpoint);
            exchange.Attempts++;
            exchange.BeginAttempt(plane.Wheel);
            plane.Telemetry.AttemptBegan(exchange, endpoint);

            // The server may be closing an idle connection just now. A request that can be repeated tries one once; a body that is still
            // coming in could be sent only once, and goes over a connection that was in use a moment ago, or a new one.
            endpoint.Load.Started();
            var connection = exchange.Attempts > 1 ? null
                : exchange.Body.IsComplete ? endpoint.TryLease() : endpoint.TryLease(plane.Wheel.NowMs - FreshMs);
            if (connection is null)
            {
                var (opened, outcome) = await endpoint.ConnectAsync(service.Config, exchange);
                if (opened is null)
                {
                    var unreached = NotConnected(exchange, endpoint, outcome);
                    endpoint.Load.Finished();
                    Learn(exchange, endpoint, succeeded: false, plane.Telemetry.AttemptEnded(exchange, 0, unreached.Kind));
                    if (unreached.Kind == RefusalKind.ConnectFailed && exchange.Attempts < Math.Min(MaxConnectionAttempts, service.Endpoints.Length))
                        continue;
                    return unreached;
                }
                connection = opened;
            }

            var head = await AskAsync(exchange, connection);
            if (head == HeadOutcome.Final)
            {
                Learn(exchange, endpoint, connection.Head.Status < 500, plane.Telemetry.AttemptEnded(exchange, connection.Head.Status));
                return await AnswerAsync(exchange, connection);
            }

            var unanswered = Unanswered(exchange, connection);
            // What is still being sent cannot be sent again.
            var mayRepeat = connection.IsReused && head == HeadOutcome.Nothing && !exchange.HasUpload && exchange.Request.IsIdempotent && exchange.Body.CanReplay;
            Finish(exchange, connection, clean: false);
            Learn(exchange, endpoint, succeeded: false, plane.Telemetry.AttemptEnded(exchange, 0, unanswered.Kind));
            if (unanswered.Kind != RefusalKind.ConnectionLost || !mayRepeat || exchange.Attempts >= MaxConnectionAttempts)
                return unanswered;
        }
    }

    // What the balancer goes by, where there is a choice. A quick failure is no quick answer; a client that
    // left, or that took its time to send the request, says nothing.
    private void Learn(Exchange exchange, EndpointState endpoint, bool succeeded, TimeSpan latency)
    {
        if (exchange.Service!.Endpoints.Length == 1 || exchange.Cancelled != CancelReason.None || (succeeded && exchange.HasUpload))
            return;
        if (succeeded)
            endpoint.Load.Answered(plane.Wheel.NowMs, latency);
        else
            endpoint.Load.Failed(plane.Wheel.NowMs, latency);
    }

    // Why there is no head: what ended it from outside goes before what that did to the connection.
    private Refusal Unanswered(Exchange exchange, UpstreamConnection connection)
    {
        if (exchange.Cancelled != CancelReason.None)
            return Cancelled(exchange);
        if (exchange.Body.Fault != HttpFault.None || exchange.Body.IsBroken)
            return BodyFault(exchange);
        if (connection.TimedOut)
            return TimedOut(exchange);
        return connection.Fault == HttpFault.None ? new Refusal(RefusalKind.ConnectionLost) : new Refusal(RefusalKind.BadAnswer, connection.Fault);
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

    // One attempt, up to the final head.
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<HeadOutcome> AskAsync(Exchange exchange, UpstreamConnection connection)
    {
        if (!exchange.Attach(connection))
            return HeadOutcome.Nothing;
        connection.ArmDeadline(exchange.AttemptDeadline);
        // Whether it worked does not matter yet: a server that closed while we sent may have answered first.
        await SendAsync(exchange, connection);
        while (true)
        {
            var outcome = await connection.ReadHeadAsync();
            if (outcome != HeadOutcome.Informational)
                return outcome;
            if (!await exchange.Response.SendInformationalAsync(connection.Head))
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

    // The final head is there: it and the body go to the client.
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<Refusal> AnswerAsync(Exchange exchange, UpstreamConnection connection)
    {
        var isTunnel = connection.Head.Status == 101;
        if (isTunnel && !exchange.Request.WantsUpgrade)
        {
            Finish(exchange, connection, clean: false);
            return new Refusal(RefusalKind.BadAnswer, HttpFault.BadUpgrade);
        }

        using var stream = exchange.Service!.State.EnterStream(connection.Head, exchange.Service.Config, out var tooMany);
        if (tooMany)
        {
            Finish(exchange, connection, clean: false);
            var limit = exchange.Service.Config;
            return new Refusal(RefusalKind.StreamLimit, Rule: limit.Source.Path + ".maxStreams", Limit: limit.MaxStreams, Observed: limit.MaxStreams, Unit: "streams");
        }

        connection.BeginBody(exchange.Request.Kind == HttpMethodKind.Head);
        var hasBlock = connection.TryFirstBlock();
        if (connection.Fault != HttpFault.None)
        {
            var fault = connection.Fault;
            Finish(exchange, connection, clean: false);
            return new Refusal(RefusalKind.BadAnswer, fault);
        }

        exchange.Answered();
        connection.Disarm();
        var sent = await exchange.Response.SendHeadAsync(exchange, connection, hasBlock);
        if (isTunnel)
        {
            // Its end is an orderly one when both sides have ended theirs: what is still on its way must arrive.
            connection.Head.KeepAlive = false;
            var whole = sent && await Tunnel.RunAsync(exchange, connection, (long)exchange.Service.Config.IdleTimeout.TotalMilliseconds, LastMoment(exchange));
            Finish(exchange, connection, clean: whole);
            return Refusal.None;
        }

        while (sent && !connection.Block.Last)
        {
            if (plane.Wheel.NowMs > LastMoment(exchange) || !await NextBlockAsync(exchange, connection))
            {
                var cut = Cut(exchange, connection);
                Finish(exchange, connection, clean: false);
                return cut;
            }
            sent = await exchange.Response.SendBlockAsync(connection.Block, connection.Trailers);
        }
        // After an early answer the server has said all, whatever else the client would send.
        Finish(exchange, connection, clean: sent && exchange.IsSent);
        return sent ? Refusal.None : new Refusal(RefusalKind.ClientGone);
    }

    // The answer breaks off after its head.
    private Refusal Cut(Exchange exchange, UpstreamConnection connection)
    {
        var config = exchange.Service!.Config;
        if (plane.Wheel.NowMs > LastMoment(exchange))
            return new Refusal(RefusalKind.Deadline, Rule: config.Source.Path + ".maxDuration", Limit: config.MaxDuration!.Value.TotalMilliseconds, Unit: "ms");
        if (!connection.TimedOut || exchange.Cancelled != CancelReason.None)
            return Unanswered(exchange, connection);
        return new Refusal(RefusalKind.Deadline, Rule: config.Source.Path + ".idleTimeout", Limit: config.IdleTimeout.TotalMilliseconds, Unit: "ms");
    }

    private ValueTask<bool> NextBlockAsync(Exchange exchange, UpstreamConnection connection)
    {
        var next = connection.NextBlockAsync();
        return next.IsCompletedSuccessfully ? next : WaitForBlockAsync(exchange, connection, next);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> WaitForBlockAsync(Exchange exchange, UpstreamConnection connection, ValueTask<bool> next)
    {
        connection.ArmDeadline(Math.Min(plane.Wheel.After(exchange.Service!.Config.IdleTimeout), LastMoment(exchange)));
        var read = await next;
        connection.Disarm();
        return read;
    }

    // When an exchange must end, however much it still has to say.
    private long LastMoment(Exchange exchange) =>
        exchange.Service!.Config.MaxDuration is { } most ? exchange.BegunAt + (long)most.TotalMilliseconds : TimerEntry.None;

    private static void Finish(Exchange exchange, UpstreamConnection connection, bool clean)
    {
        exchange.Detach();
        connection.Endpoint.Load.Finished();
        connection.Endpoint.Return(connection, clean);
    }

    private static Refusal Cancelled(Exchange exchange) => exchange.Cancelled switch
    {
        CancelReason.SlowBody => new Refusal(RefusalKind.SlowRequest),
        CancelReason.Shutdown => new Refusal(RefusalKind.Shutdown),
        _ => new Refusal(RefusalKind.ClientGone),
    };

    private static Refusal BodyFault(Exchange exchange) => exchange.Body.Fault switch
    {
        HttpFault.None => new Refusal(RefusalKind.ClientGone),
        HttpFault.BodyTooLarge => TooLarge(exchange, exchange.Body.Received),
        var fault => new Refusal(RefusalKind.Malformed, fault),
    };

    private Refusal TimedOut(Exchange exchange)
    {
        // While the request is still coming in, only a server that takes nothing of it is late; or the client, that was told to go on and did not.
        if (exchange.HasUpload && !exchange.Body.IsComplete && !exchange.AwaitsContinue)
        {
            var config = exchange.Service!.Config;
            return exchange.Body.Received == 0 ? new Refusal(RefusalKind.SlowRequest)
                : new Refusal(RefusalKind.Deadline, Rule: config.Source.Path + ".idleTimeout", Limit: config.IdleTimeout.TotalMilliseconds,
                    Observed: config.IdleTimeout.TotalMilliseconds, Unit: "ms");
        }
        // Which of the two clocks ran out: the one that was shorter.
        var attempt = exchange.AttemptTimeout is { } limit && plane.Wheel.NowMs < exchange.Deadline ? limit : (TimeSpan?)null;
        var name = attempt is null ? ".timeout" : ".attemptTimeout";
        var route = exchange.Route?.Config;
        var overridden = (attempt is null ? route?.Timeout : route?.AttemptTimeout) is not null;
        var rule = (overridden ? route!.Source.Path : exchange.Service!.Config.Source.Path) + name;
        return new Refusal(
            RefusalKind.Deadline, Rule: rule, Limit: (attempt ?? exchange.Timeout).TotalMilliseconds,
            Observed: plane.Time.GetElapsedTime(exchange.StartedAt).TotalMilliseconds, Unit: "ms");
    }

    public static Refusal TooLarge(Exchange exchange, long observed)
    {
        var config = exchange.Service!.Config;
        return new Refusal(RefusalKind.BodyTooLarge, Rule: config.Source.Path + ".maxBody", Limit: config.MaxBody ?? 0, Observed: observed, Unit: "bytes");
    }

    private Refusal NotConnected(Exchange exchange, EndpointState endpoint, ConnectOutcome outcome)
    {
        if (exchange.Cancelled != CancelReason.None)
            return Cancelled(exchange);
        if (plane.Wheel.NowMs >= exchange.AttemptDeadline)
            return TimedOut(exchange);
        var config = exchange.Service!.Config;
        var path = config.Source.Path;
        return outcome switch
        {
            ConnectOutcome.TimedOut => new Refusal(RefusalKind.ConnectTimeout, Rule: path + ".connectTimeout", Limit: config.ConnectTimeout.TotalMilliseconds,
                Observed: plane.Time.GetElapsedTime(exchange.StartedAt).TotalMilliseconds, Unit: "ms"),
            ConnectOutcome.Overflow => new Refusal(RefusalKind.ConnectionLimit, Rule: path + ".maxConnections", Limit: config.MaxConnections,
                Observed: endpoint.Open, Unit: "connections"),
            ConnectOutcome.Untrusted => new Refusal(RefusalKind.Untrusted, Rule: path + ".tls", Detail: endpoint.LastTlsFailure),
            _ => new Refusal(RefusalKind.ConnectFailed),
        };
    }
}
