using System.Buffers;
using Malha.Configuration;
using Malha.Proxy.SelfProtection;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Mirroring;

/// <summary>
/// Makes copies of a route's requests for another service. On the request's own thread only its bytes are copied; everything else, the connection included, is the
/// thread pool's, and nobody waits for it. What becomes of a copy is told in metrics and to the breaker of its endpoint, and nowhere else.
/// </summary>
internal sealed class MirrorModel(MirrorConfig config, ServiceModel service, MirrorState state)
{
    public MirrorConfig Config => config;

    public ServiceModel Service => service;

    public MirrorState State => state;

    /// <summary>Copies the request, if chance, the limits and the request itself allow it. Its body must have been taken in as far as it has come.</summary>
    public void Copy(Exchange exchange, DataPlane plane)
    {
        if (config.Share < 1 && exchange.Random.NextDouble() >= config.Share)
            return;
        var body = exchange.Body;
        var request = exchange.Request;
        if (!body.IsComplete || !body.CanReplay || request.WantsUpgrade || request.IsAsterisk)
        {
            state.Note(MirrorOutcome.Skipped);
            return;
        }
        // What nobody waits for is the first thing to do without.
        if (plane.Protection.Verdict.Stage > ProtectionStage.Normal || !state.TryEnter(config.Most))
        {
            state.Note(MirrorOutcome.Dropped);
            return;
        }
        if (service.ChooseAside(ref exchange.Random, plane.Wheel.NowMs, plane.Clock.Now, out var permit) is not { } endpoint)
        {
            state.Leave(MirrorOutcome.Dropped);
            return;
        }
        ThreadPool.UnsafeQueueUserWorkItem(Take(exchange, endpoint, permit, plane), preferLocal: false);
    }

    private MirrorCopy Take(Exchange exchange, EndpointState endpoint, BreakerPermit permit, DataPlane plane)
    {
        var body = exchange.Body;
        var length = body.PrefixLength + body.Stored.Length;
        var bytes = ArrayPool<byte>.Shared.Rent(RequestWriter.Bound(exchange) + length);
        var head = RequestWriter.WriteHead(bytes, exchange, endpoint.Authority);
        body.Prefix.CopyTo(bytes.AsSpan(head));
        body.Stored.Span.CopyTo(bytes.AsSpan(head + body.PrefixLength));
        return new MirrorCopy(this, endpoint, permit, plane)
        {
            Bytes = bytes,
            HeadLength = head,
            BodyLength = exchange.Request.HasBody ? length : MirrorCopy.NoBody,
            Method = exchange.Request.Kind,
        };
    }
}
