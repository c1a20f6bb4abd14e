using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Upstream;

/// <summary>The way back: an answer whose head has come goes to the client, piece by piece, as fast as the slower of the two.</summary>
internal sealed class AnswerRelay(DataPlane plane)
{
    /// <summary>Passes the head and the body to the client. A refusal means that nothing was sent, or that what was sent broke off.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<Refusal> PassAsync(Exchange exchange, UpstreamAnswer connection)
    {
        var isTunnel = connection.Head.Status == 101;
        if (isTunnel && !exchange.Request.WantsUpgrade)
        {
            EndpointAttempt.Finish(exchange.Attempt, connection, clean: false);
            return new Refusal(RefusalKind.BadAnswer, HttpFault.BadUpgrade);
        }

        using var stream = exchange.Service!.State.EnterStream(exchange, connection.Head, out var tooMany);
        if (tooMany)
        {
            EndpointAttempt.Finish(exchange.Attempt, connection, clean: false);
            return Refusals.TooManyStreams(exchange);
        }

        connection.BeginBody(exchange.Request.Kind == HttpMethodKind.Head);
        var hasBlock = connection.TryFirstBlock();
        if (connection.Fault != HttpFault.None)
        {
            var fault = connection.Fault;
            EndpointAttempt.Finish(exchange.Attempt, connection, clean: false);
            return new Refusal(RefusalKind.BadAnswer, fault);
        }

        exchange.Answered();
        connection.Disarm();
        var sent = await exchange.Response.SendHeadAsync(exchange, connection, hasBlock);
        if (isTunnel)
        {
            // Its end is an orderly one when both sides have ended theirs: what is still on its way must arrive.
            connection.Head.KeepAlive = false;
            var whole = sent && await Tunnel.RunAsync(exchange, (UpstreamConnection)connection, (long)exchange.Target!.IdleTimeout.TotalMilliseconds, LastMoment(exchange));
            EndpointAttempt.Finish(exchange.Attempt, connection, clean: whole);
            return Refusal.None;
        }

        while (sent && !connection.Block.Last)
        {
            if (plane.Wheel.NowMs > LastMoment(exchange) || !await NextBlockAsync(exchange, connection))
            {
                var cut = Cut(exchange, connection);
                EndpointAttempt.Finish(exchange.Attempt, connection, clean: false);
                return cut;
            }
            sent = await exchange.Response.SendBlockAsync(connection.Block, connection.Trailers);
        }
        // After an early answer the server has said all, whatever else the client would send.
        EndpointAttempt.Finish(exchange.Attempt, connection, clean: sent && exchange.IsSent);
        return sent ? Refusal.None : new Refusal(RefusalKind.ClientGone);
    }

    // The answer breaks off after its head.
    private Refusal Cut(Exchange exchange, UpstreamAnswer connection)
    {
        var target = exchange.Target!;
        if (plane.Wheel.NowMs >= exchange.CallDeadline)
            return new Refusal(RefusalKind.Deadline, Rule: "grpc-timeout", Unit: "ms", Observed: plane.Time.GetElapsedTime(exchange.StartedAt).TotalMilliseconds);
        if (plane.Wheel.NowMs > LastMoment(exchange))
            return new Refusal(RefusalKind.Deadline, Rule: target.MaxDurationRule, Limit: target.MaxDuration!.Value.TotalMilliseconds, Unit: "ms");
        if (!connection.TimedOut || exchange.Cancelled != CancelReason.None)
            return Refusals.Unanswered(exchange, connection, plane);
        return new Refusal(RefusalKind.Deadline, Rule: target.IdleTimeoutRule, Limit: target.IdleTimeout.TotalMilliseconds, Unit: "ms");
    }

    private ValueTask<bool> NextBlockAsync(Exchange exchange, UpstreamAnswer connection)
    {
        var next = connection.NextBlockAsync();
        return next.IsCompletedSuccessfully ? next : WaitForBlockAsync(exchange, connection, next);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<bool> WaitForBlockAsync(Exchange exchange, UpstreamAnswer connection, ValueTask<bool> next)
    {
        connection.ArmDeadline(Math.Min(plane.Wheel.After(exchange.Target!.IdleTimeout), LastMoment(exchange)));
        var read = await next;
        connection.Disarm();
        return read;
    }

    // When an exchange must end, however much it still has to say.
    private static long LastMoment(Exchange exchange) => Math.Min(
        exchange.CallDeadline, exchange.Target!.MaxDuration is { } most ? exchange.BegunAt + (long)most.TotalMilliseconds : TimerEntry.None);
}
