using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Downstream;

/// <summary>
/// The answer on its way to a client, whatever that speaks. Its deadline is that of the send under way: a client that does not read must not hold an exchange.
/// </summary>
internal abstract class ResponseSink : TimerEntry
{
    /// <summary>What of an upstream's header does not pass as it is.</summary>
    protected const ulong Rewritten = KnownHeaders.HopByHop | 1UL << (int)KnownHeader.Via | 1UL << (int)KnownHeader.XRequestId;

    /// <summary>Room for what Malha adds to a head.</summary>
    protected const int Added = 768;

    /// <summary>A client that takes less than this from us, after a grace period, is let go (Kestrel's MinResponseDataRate: 240 B/s, 5 s).</summary>
    private const int MinBytesPerSecond = 240;
    private const int GraceMs = 5_000;

    /// <summary>Whether the final head has been sent: from then on nothing else can be answered.</summary>
    public bool HeadSent { get; protected set; }

    /// <summary>Whether the client may send its next request on this connection.</summary>
    public bool KeepAlive { get; protected set; }

    /// <summary>The status sent; 0 when none was. An answer whose protocol tells failures in another way (gRPC) counts as what it says.</summary>
    public int Status { get; set; }

    /// <summary>Body bytes sent.</summary>
    public long BodyBytes { get; protected set; }

    public abstract void Begin(ClientConnection connection, RequestHead request);

    /// <summary>Sends the upstream's head and the first piece of its body, if there is one. False when the client is gone.</summary>
    public abstract ValueTask<bool> SendHeadAsync(Exchange exchange, UpstreamAnswer upstream, bool hasBlock);

    /// <summary>Sends a further piece.</summary>
    public abstract ValueTask<bool> SendBlockAsync(in BodyBlock block, TrailerHead trailers);

    /// <summary>Passes an interim answer on (1xx): to HTTP/1.1 clients only, the others do not know them.</summary>
    public abstract ValueTask<bool> SendInformationalAsync(ResponseHead head);

    /// <summary>Tells a client that waits with its body to send it.</summary>
    public abstract ValueTask<bool> SendContinueAsync();

    /// <summary>Sends an answer of Malha's own.</summary>
    /// <param name="exchange">What it answers.</param>
    /// <param name="status">The status code.</param>
    /// <param name="fields">Complete field lines, each with its CRLF.</param>
    /// <param name="body">Not sent in answer to HEAD.</param>
    /// <param name="close">Whether the connection ends with it.</param>
    public abstract ValueTask<bool> SendOwnAsync(Exchange exchange, int status, ReadOnlySpan<byte> fields, ReadOnlySpan<byte> body, bool close);

    /// <summary>Ends an answer that has begun with a last word instead of its rest. False when the protocol has no place for one: it must then be broken off.</summary>
    /// <param name="trailers">Complete field lines, each with its CRLF, and the empty line.</param>
    public abstract bool TryEndWith(ReadOnlySpan<byte> trailers);

    public virtual void Reset()
    {
        HeadSent = false;
        KeepAlive = false;
        Status = 0;
        BodyBytes = 0;
        Disarm();
    }

    /// <summary>Waits for a send that the client does not take at once.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    protected async ValueTask<bool> SendSlowlyAsync(TimerWheel wheel, ValueTask<bool> sending, long length)
    {
        Arm(wheel, wheel.NowMs + GraceMs + (length * 1000L / MinBytesPerSecond));
        var sent = await sending;
        Disarm();
        return sent;
    }

    /// <summary>What every answer gets that comes from an endpoint.</summary>
    protected static void WriteAdded(ref HeadWriter writer, Exchange exchange, ResponseHead head, HeaderEditModel edits)
    {
        if (!edits.Drops(KnownHeader.Via, default))
            WriteVia(ref writer, head);
        if (!edits.Drops(KnownHeader.XRequestId, default))
            writer.Field("X-Request-Id"u8, exchange.RequestId);
    }

    private static void WriteVia(ref HeadWriter writer, ResponseHead head)
    {
        writer.Write("Via: "u8);
        foreach (ref readonly var field in head.Fields)
        {
            if (field.Known != KnownHeader.Via || field.Value.IsEmpty)
                continue;
            writer.Write(head.Bytes(field.Value));
            writer.Write(", "u8);
        }
        writer.Write(head.ViaVersion);
        writer.Write(" malha\r\n"u8);
    }
}
