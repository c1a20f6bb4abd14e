using Malha.Proxy.Http1;

namespace Malha.Proxy.Telemetry.Logging;

/// <summary>A line for each request that is to be logged, formatted on the thread that served it and written by another.</summary>
internal sealed class AccessLog(LogOutput output, TimeProvider time)
{
    [ThreadStatic]
    private static byte[]? _line;

    [ThreadStatic]
    private static byte[]? _target;

    /// <summary>Logs an exchange that is over.</summary>
    public void Write(Exchange exchange, LogStyle style, DateTimeOffset now, TimeSpan duration, int status)
    {
        var line = _line ??= new byte[AccessLine.MaxLength];
        var request = exchange.Request;
        var entry = new AccessEntry
        {
            Time = style == LogStyle.Json ? now : TimeZoneInfo.ConvertTime(now, time.LocalTimeZone),
            Client = exchange.Connection.ClientAddress,
            ClientName = exchange.Caller.Client?.Name,
            Identity = exchange.Caller.Identity?.Name,
            Method = request.Bytes(request.Method),
            Target = TargetOf(request),
            Host = request.Bytes(request.Authority),
            Status = status,
            BytesIn = exchange.BytesIn,
            BytesOut = exchange.BytesOut,
            Duration = duration,
            Attempts = exchange.Attempts,
            Listener = exchange.Connection.ListenerName,
            Route = exchange.Route?.Name,
            Service = exchange.Service?.Config.Name,
            Endpoint = exchange.AttemptLog.Endpoint is { } endpoint ? endpoint.Authority : default,
            RequestId = exchange.RequestId,
            TraceId = exchange.Trace.TraceId,
            SpanId = exchange.Trace.SpanId,
            IsTraced = exchange.Trace.IsRecorded,
            Refusal = RefusalNames.Of(exchange.Refusal.Kind),
            Rule = exchange.Refusal.Rule ?? RefusalNames.RuleOf(exchange.Refusal.Fault),
            UserAgent = request.Has(KnownHeader.UserAgent) ? request.Value(KnownHeader.UserAgent) : default,
        };
        output.Write(line.AsSpan(0, AccessLine.Write(line, entry, style)));
    }

    // As the client wrote it, since that is what an operator looks for; but nothing that should not be kept.
    private static ReadOnlySpan<byte> TargetOf(RequestHead request)
    {
        var target = request.Bytes(request.Target);
        if (!SecretQuery.IsSuspect(target))
            return target;
        var masked = _target ??= new byte[AccessLine.MaxLength];
        return masked.AsSpan(0, SecretQuery.Copy(target, masked));
    }
}
