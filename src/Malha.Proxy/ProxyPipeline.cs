using System.Runtime.CompilerServices;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;

namespace Malha.Proxy;

/// <summary>The way of a request, from a complete head to a complete answer.</summary>
internal sealed class ProxyPipeline
{
    private readonly AttemptLoop _attempts;

    public ProxyPipeline(DataPlane plane) => _attempts = new AttemptLoop(plane);

    /// <summary>Carries a request that the guard has let through.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> RunAsync(Exchange exchange)
    {
        var refusal = Route(exchange);
        if (refusal.IsNone)
            refusal = await _attempts.RunAsync(exchange);
        if (!refusal.IsNone)
            await RefuseAsync(exchange, refusal);
        return true;
    }

    /// <summary>Answers a request that the guard has refused; the connection ends with it.</summary>
    public ValueTask<bool> RefuseMalformedAsync(Exchange exchange, HttpFault fault) => RefuseAsync(exchange, new Refusal(RefusalKind.Malformed, fault));

    private static Refusal Route(Exchange exchange)
    {
        exchange.Service = exchange.Model.Services[0];
        return Refusal.None;
    }

    private static ValueTask<bool> RefuseAsync(Exchange exchange, in Refusal refusal)
    {
        if (refusal.Kind == RefusalKind.ClientGone)
            return new ValueTask<bool>(false);
        if (exchange.Response.HeadSent)
        {
            // Too late to say anything: what has been sent must not look complete.
            exchange.Connection.Abort();
            return new ValueTask<bool>(false);
        }
        Span<byte> fields = stackalloc byte[ProblemWriter.MaxFields];
        Span<byte> body = stackalloc byte[ProblemWriter.MaxBody];
        fields = fields[..ProblemWriter.WriteFields(fields, exchange, refusal)];
        body = body[..ProblemWriter.WriteBody(body, exchange, refusal)];
        return exchange.Response.SendOwnAsync(exchange, refusal.Status, fields, body, close: refusal.Kind == RefusalKind.Malformed);
    }
}
