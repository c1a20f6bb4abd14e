using System.Buffers;
using System.Runtime.CompilerServices;
using Malha.Proxy.Downstream;
using Malha.Proxy.Rpc;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Proxy.Transport;

namespace Malha.Proxy;

/// <summary>
/// The way of a request, from a complete head to a complete answer, in the order of docs/architecture.md. Listening and guarding come before it:
/// what gets here is one well-formed message.
/// </summary>
internal sealed class ProxyPipeline(DataPlane plane)
{
    private static readonly byte[] OwnPaths = "/.malha/"u8.ToArray();

    private readonly AttemptLoop _attempts = new(plane);

    /// <summary>What deliveries of the durable lane pass as well.</summary>
    public AttemptLoop Attempts => _attempts;

    /// <summary>Carries a request that the guard has let through.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> RunAsync(Exchange exchange)
    {
        plane.Telemetry.Began(exchange);

        // Who calls, before anything else: a wrong credential learns nothing, not even which routes there are.
        var refusal = exchange.Model.Identity.Identify(exchange);

        // The gateway's own life goes before any request: as early as it is known who matters least.
        if (refusal.IsNone)
            refusal = plane.Protection.Judge(exchange);

        // Routing before the policies: everything after it is decided per route.
        if (refusal.IsNone)
            refusal = Route(exchange);

        // Who may not call at all is told so before he is counted.
        if (refusal.IsNone)
            refusal = exchange.Model.Identity.Authorize(exchange);

        // Limits before whatever looks at the body, so that bad bodies cannot buy time.
        if (refusal.IsNone)
            refusal = exchange.Model.Identity.Limit(exchange);
        if (refusal.IsNone && exchange.Caller.IsLimitOwed)
            refusal = await exchange.Model.Identity.LimitSharedAsync(exchange);

        // Before anything is spent on the request: what is too large will not get smaller.
        if (refusal.IsNone)
            refusal = CheckSize(exchange);

        // Before an endpoint is chosen: what has no valid target there goes nowhere.
        if (refusal.IsNone && exchange.Route?.Rewrite is { } rewrite)
            refusal = Rewrite(exchange, rewrite);

        // A route that answers itself needs no endpoint, and neither do operations that were accepted for later.
        if (refusal.IsNone && exchange.Service is null)
            refusal = await (exchange.Route is { } route ? AnswerItselfAsync(exchange, route) : plane.Deferral!.AnswerAsync(exchange));

        // Accepted for later before anything is tried, where the route or the client wants it so.
        var lane = exchange.Route?.Defer is null ? null : plane.Deferral;
        if (refusal.IsNone && lane is not null)
            refusal = await lane.BeginAsync(exchange);

        // The attempts: all that touches an endpoint, and the answer's way back.
        if (refusal.IsNone && !exchange.Response.HeadSent)
            refusal = await _attempts.RunAsync(exchange);

        // What could not be done now is accepted for later: when it is certain that nobody has done it, or doing it twice is harmless.
        if (!refusal.IsNone && lane is not null && !exchange.Response.HeadSent)
            refusal = await lane.InsteadAsync(exchange, refusal);

        // The one place where a refusal becomes HTTP.
        if (!refusal.IsNone)
            await RefuseAsync(exchange, refusal);

        lane?.Ended(exchange);

        // Metrics and the access log last: they tell what the client got.
        plane.Telemetry.Ended(exchange);
        return true;
    }

    /// <summary>Answers a request that the guard has refused; the connection ends with it.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> RefuseMalformedAsync(Exchange exchange, HttpFault fault)
    {
        plane.Telemetry.Began(exchange);
        await RefuseAsync(exchange, new Refusal(RefusalKind.Malformed, fault));
        plane.Telemetry.Ended(exchange);
        return true;
    }

    private Refusal Route(Exchange exchange)
    {
        // What belongs to the gateway has no route, and nobody can put one in front of it.
        if (plane.Deferral is not null && exchange.Request.Bytes(exchange.Request.Path).StartsWith(OwnPaths))
            return Refusal.None;
        var match = exchange.Model.Routes.Match(exchange.Request);
        if (match.Route is not { } route)
            return new Refusal(match.Outcome == RouteOutcome.MethodNotAllowed ? RefusalKind.MethodNotAllowed : RefusalKind.NoRoute);
        exchange.Route = route;
        exchange.Send(exchange.Model.TargetOf(route, exchange));
        exchange.Body.IsOwed = route.Config.BufferRequests > 0;
        return Refusal.None;
    }

    private static Refusal Rewrite(Exchange exchange, RewriteModel rewrite)
    {
        var fault = exchange.Rewrite(rewrite);
        return fault == HttpFault.None ? Refusal.None : new Refusal(RefusalKind.Malformed, fault, Rule: exchange.Route!.RewriteRule);
    }

    private static Refusal CheckSize(Exchange exchange)
    {
        if (exchange.Target?.MaxBody is not { } limit)
            return Refusal.None;
        exchange.Body.Limit = limit;
        var announced = Math.Max(exchange.Request.ContentLength, exchange.Body.Received);
        return announced <= limit ? Refusal.None : Refusals.TooLarge(exchange, announced);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<Refusal> AnswerItselfAsync(Exchange exchange, RouteModel route)
    {
        if (route.Respond is { } answer)
        {
            await exchange.Response.SendOwnAsync(exchange, answer.Status, answer.Lines, answer.Body.Span, close: false);
            return Refusal.None;
        }

        var redirect = route.Redirect!;
        var location = ArrayPool<byte>.Shared.Rent(redirect.MaxLength(exchange.Request) + 16);
        var length = WriteLocation(location, redirect, exchange.Request);
        if (length > 0)
            await exchange.Response.SendOwnAsync(exchange, redirect.Status, location.AsSpan(0, length), default, close: false);
        ArrayPool<byte>.Shared.Return(location);
        return length > 0 ? Refusal.None : new Refusal(RefusalKind.Malformed, HttpFault.MissingHost);
    }

    // 0 when the target needs a host and the request has none.
    private static int WriteLocation(Span<byte> buffer, RedirectModel redirect, RequestHead request)
    {
        var writer = new HeadWriter(buffer);
        writer.Write("Location: "u8);
        var length = redirect.Write(request, buffer[writer.Length..]);
        if (length == 0)
            return 0;
        "\r\n"u8.CopyTo(buffer[(writer.Length + length)..]);
        return writer.Length + length + 2;
    }

    [SkipLocalsInit]
    private static ValueTask<bool> RefuseAsync(Exchange exchange, in Refusal refusal)
    {
        exchange.Refusal = refusal;
        exchange.IsCut = exchange.Response.HeadSent;
        if (refusal.Kind == RefusalKind.ClientGone)
            return new ValueTask<bool>(false);
        if (exchange.Response.HeadSent)
        {
            // Too late to say anything: what has been sent must not look complete. A gRPC call can still end with what went wrong.
            if (!exchange.IsGrpc || !GrpcRefusal.TryEnd(exchange, refusal))
                exchange.Source.Break();
            return new ValueTask<bool>(false);
        }
        if (exchange.IsGrpc)
            return GrpcRefusal.SendAsync(exchange, refusal);
        Span<byte> fields = stackalloc byte[ProblemWriter.MaxFields];
        Span<byte> body = stackalloc byte[ProblemWriter.MaxBody];
        fields = fields[..ProblemWriter.WriteFields(fields, exchange, refusal)];
        body = body[..ProblemWriter.WriteBody(body, exchange, refusal)];
        return exchange.Response.SendOwnAsync(exchange, refusal.Status, fields, body, close: refusal.Kind == RefusalKind.Malformed);
    }
}
