using System.Buffers;
using System.Text;
using Malha.Delivery.Operations;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;
using Malha.Proxy.Upstream;
using HeaderField = Malha.Delivery.Operations.HeaderField;

namespace Malha.Delivery.Dispatch;

/// <summary>Takes the server's answer to a delivery, to be kept for whoever made the operation.</summary>
/// <param name="limit">The largest body that is kept, in bytes; of a larger one nothing is.</param>
internal sealed class DeliverySink(long limit) : ResponseSink
{
    // Those of the connection, and what every answer that is given out gets anew.
    private const ulong Dropped = KnownHeaders.HopByHop | 1UL << (int)KnownHeader.XRequestId | 1UL << (int)KnownHeader.Trailer;

    private readonly ArrayBufferWriter<byte> _body = new();
    private readonly List<HeaderField> _headers = [];
    private bool _isTooLarge;

    /// <summary>As far as it came.</summary>
    public Answer Answer => new(Status, _headers, _body.WrittenSpan.ToArray(), _isTooLarge);

    public override void Begin(ClientConnection connection, RequestHead request)
    {
        // Nothing of it depends on the request.
    }

    public override ValueTask<bool> SendHeadAsync(Exchange exchange, UpstreamAnswer upstream, bool hasBlock)
    {
        var head = upstream.Head;
        HeadSent = true;
        Status = head.Status;
        foreach (ref readonly var field in head.Fields)
        {
            var name = head.Bytes(field.Name);
            if ((field.Known == KnownHeader.Other || !field.Known.In(Dropped)) && !(head.NominatesFields && head.IsNominated(name)))
                _headers.Add(new HeaderField(Encoding.Latin1.GetString(name), Encoding.Latin1.GetString(head.Bytes(field.Value))));
        }
        return hasBlock ? SendBlockAsync(upstream.Block, upstream.Trailers) : new ValueTask<bool>(true);
    }

    public override ValueTask<bool> SendBlockAsync(in BodyBlock block, TrailerHead trailers)
    {
        BodyBytes += block.Length;
        _isTooLarge |= BodyBytes > limit;
        if (_isTooLarge)
            _body.Clear();
        else if (block.Length > 0)
            _body.Write(block.Span);
        return new ValueTask<bool>(true);
    }

    public override ValueTask<bool> SendInformationalAsync(ResponseHead head) => new(true);

    public override ValueTask<bool> SendContinueAsync() => new(true);

    public override ValueTask<bool> SendOwnAsync(Exchange exchange, int status, ReadOnlySpan<byte> fields, ReadOnlySpan<byte> body, bool close) =>
        throw new InvalidOperationException("a delivery is answered by its server alone");

    public override bool TryEndWith(ReadOnlySpan<byte> trailers) => false;

    protected internal override void OnDeadline() => TakeExpiry();
}
