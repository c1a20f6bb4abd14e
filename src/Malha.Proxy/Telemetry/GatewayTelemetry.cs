using Malha.Proxy.Telemetry.Decisions;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Telemetry.Metrics;
using Malha.Proxy.Telemetry.Otlp;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Telemetry;

/// <summary>
/// All that the data plane tells about itself: metrics, the access log, decisions and events. What the request path calls here takes no lock,
/// allocates nothing and never waits.
/// </summary>
internal sealed class GatewayTelemetry
{
    private readonly TimeProvider _time;
    private readonly AccessLog? _accessLog;
    private Tracer? _tracer;

    /// <param name="time">The data plane's clock.</param>
    /// <param name="output">Where log lines go; null: nowhere.</param>
    public GatewayTelemetry(TimeProvider time, LogOutput? output = null)
    {
        _time = time;
        Output = output;
        Events = new EventLog(output, time);
        Breakers = new BreakerJournal(Events);
        if (output is null)
            return;
        output.Notice = Events.WriteDropNotice;
        _accessLog = new AccessLog(output, time);
    }

    public LogOutput? Output { get; }

    public RequestMetrics Requests { get; } = new();

    public ReloadMetrics Reloads { get; } = new();

    public DecisionLog Decisions { get; } = new();

    public EventLog Events { get; }

    /// <summary>What happens to breakers, on its way to the events.</summary>
    public BreakerJournal Breakers { get; }

    /// <summary>How long each thread of the socket engine took to come to a new event; empty when nobody measures.</summary>
    public IReadOnlyList<ExchangeSeries> EngineDelays { get; set; } = [];

    /// <summary>Keeps the spans of exchanges; null: nobody wants them, and no exchange has any.</summary>
    public Tracer? Tracer
    {
        get => Volatile.Read(ref _tracer);
        set => Volatile.Write(ref _tracer, value);
    }

    /// <summary>A configuration has come into force: events look as it says, and routes that only earlier ones had are forgotten.</summary>
    public void Follow(GatewayModel model)
    {
        Events.Style = model.AccessLog.Style;
        Requests.Keep(model.RouteMetrics);
    }

    /// <summary>A request has come to the pipeline.</summary>
    public void Began(Exchange exchange)
    {
        Requests.Began(exchange.Request.Kind, exchange.Connection.IsTls);
        Tracer?.Begin(exchange);
    }

    /// <summary>Its answer has been sent, or will not be.</summary>
    public void Ended(Exchange exchange)
    {
        var duration = _time.GetElapsedTime(exchange.StartedAt);
        var refusal = exchange.Refusal.Kind;
        // What the client saw; 499 (nginx's) when it saw nothing because it had gone.
        var status = exchange.Response.HeadSent ? exchange.Response.Status : exchange.Refusal.Status;
        var model = exchange.Model;
        var route = exchange.Route is { } matched ? model.RouteMetrics[matched.Index] : Requests.Unrouted;
        var request = exchange.Request;
        var version = request.IsHttp2 ? HttpVersionKind.Http2 : request.MinorVersion == 1 ? HttpVersionKind.Http11 : HttpVersionKind.Http10;
        Requests.Ended(route, new SeriesKey(request.Kind, status, refusal, version, exchange.Connection.IsTls), duration, exchange.BytesIn, exchange.BytesOut);

        exchange.Caller.Client?.State.Count(refusal);

        var isDecision = refusal != RefusalKind.None || exchange.Attempts > 1 || exchange.AttemptLog.WasRefusedARetry || exchange.Deferred is not null;
        var isLogged = _accessLog is not null && model.AccessLog.Takes(exchange.Trace.Sample, status, refusal != RefusalKind.None);
        var tracer = exchange.Trace.IsRecorded ? Tracer : null;
        if (!isLogged && !isDecision && tracer is null)
            return;
        var now = _time.GetUtcNow();
        if (isLogged)
            _accessLog!.Write(exchange, model.AccessLog.Style!.Value, now, duration, status);
        if (isDecision)
            Decisions.Write(exchange, now, duration, status);
        tracer?.Ended(exchange, now, duration, status);
    }

    /// <summary>A delivery of the durable lane begins: it is no request, and has spans all the same.</summary>
    public void DeliveryBegan(Exchange exchange) => Tracer?.Begin(exchange);

    /// <summary>It is over, with an answer's status or 0.</summary>
    public void DeliveryEnded(Exchange exchange, int status)
    {
        if (exchange.Trace.IsRecorded)
            Tracer?.Ended(exchange, _time.GetUtcNow(), _time.GetElapsedTime(exchange.StartedAt), status);
    }

    /// <summary>An endpoint has been chosen for the next attempt.</summary>
    public void AttemptBegan(Exchange exchange, AttemptSlot slot)
    {
        slot.BeganAt = _time.GetElapsedTime(exchange.StartedAt);
        slot.Number = exchange.Attempts;
        slot.SpanId = exchange.Trace.IsRecorded ? exchange.Trace.NextSpan() : 0;
        exchange.AttemptLog.Begin(slot.Endpoint);
        if (exchange.Attempts > 1)
            slot.Endpoint.Metrics.Retried();
    }

    /// <summary>The attempt has its answer's head, or has failed. Returns how long it took.</summary>
    public TimeSpan AttemptEnded(Exchange exchange, AttemptSlot slot, int status, RefusalKind failure = RefusalKind.None)
    {
        var endpoint = slot.Endpoint;
        var duration = _time.GetElapsedTime(exchange.StartedAt) - slot.BeganAt;
        exchange.AttemptLog.End(new AttemptRecord(
            endpoint, slot.BeganAt, duration, status, failure, SpanId: slot.SpanId, Number: slot.Number, IsHedge: slot != exchange.Attempt));
        var key = new SeriesKey(exchange.Request.Kind, status, failure, endpoint.Http2 is null ? HttpVersionKind.Http11 : HttpVersionKind.Http2, endpoint.Config.IsTls);
        endpoint.Metrics.Attempts.Of(key).Record(duration, 0, 0);
        return duration;
    }
}
