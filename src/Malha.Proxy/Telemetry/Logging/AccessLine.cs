namespace Malha.Proxy.Telemetry.Logging;

/// <summary>Writes one line of the access log. Each part has a limit, and together they fit into <see cref="MaxLength"/>.</summary>
internal static class AccessLine
{
    public const int MaxLength = 8 * 1024;

    private const int MaxName = 128;
    private const int MaxTarget = 2048;

    public static int Write(Span<byte> buffer, in AccessEntry entry, LogStyle style)
    {
        var line = new LogText(buffer);
        if (style == LogStyle.Json)
            WriteJson(ref line, entry);
        else
            WriteText(ref line, entry, style == LogStyle.Coloured);
        line.Write("\n"u8);
        return line.Length;
    }

    private static void WriteJson(ref LogText line, in AccessEntry entry)
    {
        line.Write("{\"time\":\""u8);
        line.Instant(entry.Time);
        line.Write(entry.Status >= 500 ? "\",\"level\":\"warning\",\"event\":\"request\""u8 : "\",\"level\":\"info\",\"event\":\"request\""u8);
        line.Member("client"u8, entry.Client, MaxName);
        line.Member("clientName"u8, entry.ClientName, MaxName);
        line.Member("clientIdentity"u8, entry.Identity, MaxName * 2);
        line.Member("method"u8, entry.Method, MaxName);
        line.Member("target"u8, entry.Target, MaxTarget);
        line.Member("host"u8, entry.Host, MaxName * 2);
        line.Key("status"u8);
        line.Number(entry.Status);
        line.Key("bytesIn"u8);
        line.Number(entry.BytesIn);
        line.Key("bytesOut"u8);
        line.Number(entry.BytesOut);
        line.Key("durationMs"u8);
        line.Milliseconds(entry.Duration);
        line.Key("attempts"u8);
        line.Number(entry.Attempts);
        line.Member("listener"u8, entry.Listener, MaxName);
        line.Member("route"u8, entry.Route, MaxName * 2);
        line.Member("service"u8, entry.Service, MaxName);
        line.Member("endpoint"u8, entry.Endpoint, MaxName * 2);
        line.Member("requestId"u8, entry.RequestId, MaxName * 2);
        line.Member("traceId"u8, entry.TraceId, MaxName);
        line.Member("spanId"u8, entry.SpanId, MaxName);
        line.Member("refusal"u8, entry.Refusal, MaxName);
        line.Member("rule"u8, entry.Rule, MaxName * 2);
        line.Member("userAgent"u8, entry.UserAgent, MaxName * 4);
        line.Write("}"u8);
    }

    private static void WriteText(ref LogText line, in AccessEntry entry, bool coloured)
    {
        line.TimeOfDay(entry.Time.DateTime);
        line.Write("  "u8);
        if (coloured)
            line.Write(entry.Status switch { >= 500 => "\e[31m"u8, >= 400 => "\e[33m"u8, _ => "\e[32m"u8 });
        line.Number(entry.Status);
        if (coloured)
            line.Write("\e[0m"u8);
        line.Write("  "u8);

        var start = line.Length;
        line.Milliseconds(entry.Duration);
        line.Write(" ms"u8);
        line.Pad(start, 13);
        start = line.Length;
        line.Escaped(entry.Method.IsEmpty ? "-"u8 : entry.Method, MaxName);
        line.Pad(start, 7);
        line.Write(" "u8);
        line.Escaped(entry.Target.IsEmpty ? "-"u8 : entry.Target, MaxTarget);

        line.Write("  "u8);
        line.Escaped(entry.Client, MaxName);
        if (entry.ClientName is not null)
        {
            line.Write(" ("u8);
            line.Escaped(entry.ClientName, MaxName);
            line.Write(")"u8);
        }
        if (entry.Identity is not null)
        {
            line.Write(" ["u8);
            line.Escaped(entry.Identity, MaxName * 2);
            line.Write("]"u8);
        }
        if (entry.Service is not null)
        {
            line.Write(" -> "u8);
            line.Escaped(entry.Service, MaxName);
        }
        if (!entry.Endpoint.IsEmpty)
        {
            line.Write(" "u8);
            line.Escaped(entry.Endpoint, MaxName * 2);
        }
        if (entry.Attempts > 1)
        {
            line.Write("  attempts "u8);
            line.Number(entry.Attempts);
        }
        if (!entry.Refusal.IsEmpty)
        {
            line.Write(coloured ? "  \e[31m"u8 : "  "u8);
            line.Write(entry.Refusal);
            if (coloured)
                line.Write("\e[0m"u8);
            if (entry.Rule is not null)
            {
                line.Write(" "u8);
                line.Escaped(entry.Rule, MaxName * 2);
            }
        }
        // What `malha why` asks for.
        if (!entry.Refusal.IsEmpty || entry.Attempts > 1)
        {
            line.Write("  "u8);
            line.Escaped(entry.RequestId, MaxName * 2);
        }
        if (entry.IsTraced)
        {
            line.Write("  trace "u8);
            line.Escaped(entry.TraceId, MaxName);
            line.Write("/"u8);
            line.Escaped(entry.SpanId, MaxName);
        }
    }
}
