using System.Globalization;
using System.Net;
using System.Text;
using Malha.Delivery.Operations;
using Malha.Proxy;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;
using Malha.Proxy.Routing;
using HeaderField = Malha.Delivery.Operations.HeaderField;

namespace Malha.Delivery.Dispatch;

/// <summary>
/// One try to deliver an operation, through the same attempt loop as live traffic, with an exchange of its own: breaker, limits, ramp and balancing see no difference, but that it
/// never stands in a queue. The request is written down as it came and read again by the same parser and guard.
/// </summary>
internal sealed class DeliveryAttempt(Lane lane)
{
    private static readonly HeadLimits Limits = new(1 << 20, 10_000);

    /// <param name="operation">As it is stored.</param>
    /// <param name="body">Its request's body.</param>
    /// <param name="credentials">Its credentials, opened.</param>
    /// <param name="running">Told which exchange carries it, to break it off.</param>
    public async Task<DeliveryOutcome> RunAsync(
        Operation operation, byte[] body, IReadOnlyList<HeaderField> credentials, Action<Exchange, long> running)
    {
        var plane = lane.Gateway.Plane;
        var model = plane.Model;
        var exchange = plane.RentExchange();
        var buffer = new ReceiveBuffer(Math.Max(1, body.Length));
        var sink = new DeliverySink(lane.Settings.Config.MaxBody);
        try
        {
            var head = Write(operation, body.Length, credentials);
            var status = HeadParser.ParseRequest(head, exchange.Request, Limits);
            exchange.Request.Attach(head, 0);
            if (status != ParseStatus.Complete || RequestGuard.Inspect(exchange.Request) != HttpFault.None)
                return new DeliveryOutcome(DeliveryKind.Undeliverable, new Refusal(RefusalKind.Malformed, exchange.Request.Fault));

            var connection = new DeliveryConnection(plane, Address(operation.ClientAddress), operation.CameOverTls);
            exchange.Begin(connection, connection, model, plane.Time.GetTimestamp(), sink);
            buffer.Append(body);
            exchange.Body.Begin(connection, connection, buffer, exchange.Request);
            Describe(exchange, operation);
            if (!TryRoute(exchange, operation, out var fault))
                return new DeliveryOutcome(DeliveryKind.LaneHeld, new Refusal(RefusalKind.NoRoute, Detail: "no route leads to the service"));
            if (fault != HttpFault.None)
                return new DeliveryOutcome(DeliveryKind.Undeliverable, new Refusal(RefusalKind.Malformed, fault));
            running(exchange, exchange.Ticket);
            plane.Telemetry.DeliveryBegan(exchange);
            exchange.Refusal = await plane.Pipeline.Attempts.RunAsync(exchange);
            await Off.EngineAsync();
            var refusal = exchange.Refusal;
            plane.Telemetry.DeliveryEnded(exchange, refusal.IsNone ? sink.Answer.Status : refusal.Status);
            return Judge(exchange, refusal, sink);
        }
        finally
        {
            plane.ReturnExchange(exchange);
            buffer.Release();
        }
    }

    // By the route that takes it now. The one that it came by may be gone, or lead elsewhere; its service still has another, or it waits.
    private static bool TryRoute(Exchange exchange, Operation operation, out HttpFault fault)
    {
        fault = HttpFault.None;
        var model = exchange.Model;
        var match = model.Routes.Match(exchange.Request).Route;
        if (match is not null && TargetOf(model, match, operation) is { } target)
        {
            exchange.Route = match;
            exchange.Send(target);
            if (match.Rewrite is { } rewrite)
                fault = exchange.Rewrite(rewrite);
            return true;
        }
        foreach (var route in model.Routes.Routes)
        {
            if (TargetOf(model, route, operation) is not { } any || (exchange.Route is not null && route.Name != operation.Route))
                continue;
            exchange.Route = route;
            exchange.Send(any);
        }
        return exchange.Route is not null;
    }

    private static RouteTarget? TargetOf(GatewayModel model, RouteModel route, Operation operation)
    {
        foreach (var target in model.TargetsOf(route))
        {
            if (target.Service.Config.Name == operation.Service)
                return target;
        }
        return null;
    }

    private static void Describe(Exchange exchange, Operation operation)
    {
        exchange.IsDelivery = true;
        exchange.Operation = Encoding.ASCII.GetBytes(operation.Id.ToString());
        var caller = exchange.Caller;
        var identity = exchange.Model.Identity;
        caller.ShareClass = identity.LowestClass;
        foreach (var client in identity.Clients)
        {
            if (client.Name == OperationOwner.ClientOf(operation.Owner))
                (caller.Client, caller.ShareClass) = (client, client.ShareClass);
        }
        foreach (var one in identity.Classes)
        {
            if (one.Name == operation.Class)
                caller.ShareClass = one.Index;
        }
        // What a server that counts tries is told.
        caller.InboundAttempt = operation.AttemptCount + 1;
    }

    private static DeliveryOutcome Judge(Exchange exchange, in Refusal refusal, DeliverySink sink)
    {
        if (exchange.Cancelled == CancelReason.Shutdown)
            return new DeliveryOutcome(DeliveryKind.BrokenOff, refusal);
        if (refusal.IsNone)
            return new DeliveryOutcome(DeliveryKind.Answered, refusal, sink.Answer, RetryAfter(sink.Answer));
        var retryAfter = refusal.RetryAfterMs > 0 ? TimeSpan.FromMilliseconds(refusal.RetryAfterMs) : (TimeSpan?)null;
        if (exchange.Attempts == 0 || refusal.Kind is RefusalKind.ConnectionLimit or RefusalKind.SelfProtection or RefusalKind.StreamLimit)
            return new DeliveryOutcome(refusal.Kind == RefusalKind.Throttled ? DeliveryKind.OperationHeld : DeliveryKind.LaneHeld, refusal, null, retryAfter);
        return new DeliveryOutcome(exchange.MayHaveRun ? DeliveryKind.Unanswered : DeliveryKind.Unreached, refusal, null, retryAfter);
    }

    private static TimeSpan? RetryAfter(Answer answer) =>
        answer.Headers.FirstOrDefault(header => header.Name.Equals("Retry-After", StringComparison.OrdinalIgnoreCase)) is { Value: { } value }
            && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds) : null;

    private static IPEndPoint? Address(string text) => IPAddress.TryParse(text, out var address) ? new IPEndPoint(address, 0) : null;

    private static byte[] Write(Operation operation, int bodyBytes, IReadOnlyList<HeaderField> credentials)
    {
        var text = new StringBuilder(512);
        text.Append(operation.Method).Append(' ').Append(operation.Target).Append(" HTTP/1.1\r\n");
        var hasKey = false;
        foreach (var header in operation.Headers.Concat(credentials))
        {
            hasKey |= header.Name.Equals("Idempotency-Key", StringComparison.OrdinalIgnoreCase);
            Line(text, header.Name, header.Value);
        }
        // By which the server knows it again: it may come twice.
        if (!hasKey)
            Line(text, "Idempotency-Key", operation.Id.ToString());
        Line(text, "X-Request-Id", operation.RequestId);
        Line(text, "traceparent", operation.TraceParent);
        if (bodyBytes > 0 || operation.Method is "POST" or "PUT" or "PATCH")
            text.Append(CultureInfo.InvariantCulture, $"Content-Length: {bodyBytes}\r\n");
        return Encoding.Latin1.GetBytes(text.Append("\r\n").ToString());
    }

    private static void Line(StringBuilder text, string name, string value)
    {
        if (value.Length > 0)
            text.Append(name).Append(": ").Append(value).Append("\r\n");
    }
}
