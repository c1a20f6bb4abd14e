namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>What the request path knows of tracing: which exchanges are traced, and where they go when they are over.</summary>
/// <param name="share">Of the exchanges whose caller has not decided it, 0 to 1.</param>
/// <param name="ring">Where sampled ones wait for the exporter.</param>
internal sealed class Tracer(double share, SpanRing ring)
{
    private readonly ulong _threshold = (ulong)Math.Round(Math.Clamp(share, 0, 1) * (1L << 32));

    public SpanRing Ring => ring;

    /// <summary>Decides whether an exchange is traced: as its caller has, or by chance.</summary>
    public void Begin(Exchange exchange) => exchange.Trace.Decide(_threshold);

    /// <summary>An exchange that was traced is over.</summary>
    public void Ended(Exchange exchange, DateTimeOffset now, TimeSpan duration, int status) => ring.Write(exchange, now, duration, status);
}
