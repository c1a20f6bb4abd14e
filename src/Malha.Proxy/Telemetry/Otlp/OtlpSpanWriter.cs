using System.Buffers.Binary;
using Malha.Configuration;
using Malha.Proxy.Telemetry.Decisions;
using Malha.Proxy.Telemetry.Metrics;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>
/// Writes exchanges as spans: one of the kind SERVER for the exchange (CONSUMER for a delivery of the durable lane), and below it one of the kind CLIENT for
/// each attempt. Names and attributes are those of OpenTelemetry's semantic conventions for HTTP; what they have no word for begins with <c>malha.</c>.
/// </summary>
internal sealed class OtlpSpanWriter(ProtobufWriter to)
{
    private const int Attributes = 9;
    private const int Server = 2;
    private const int Client = 3;
    private const int Consumer = 5;
    private const int Error = 2;

    // Trace flags: sampled; and whether the parent is in another process, which is known (SpanFlags).
    private const uint Sampled = 0x01;
    private const uint IsRemoteKnown = 0x100;
    private const uint IsRemote = 0x200;

    private int _resource;
    private int _scope;

    /// <summary>Spans since the message began.</summary>
    public int Spans { get; private set; }

    /// <summary>Begins an ExportTraceServiceRequest.</summary>
    public void Begin(TelemetryConfig config)
    {
        Spans = 0;
        _resource = to.Begin(1);
        OtlpResource.Write(to, config);
        _scope = to.Begin(2);
        OtlpResource.WriteScope(to);
    }

    public void End()
    {
        to.End(_scope);
        to.End(_resource);
    }

    public void Write(in ExchangeSpan span, ReadOnlySpan<byte> text)
    {
        var texts = new ExchangeTexts(span, text);
        WriteExchange(span, texts);
        foreach (ref readonly var attempt in ((ReadOnlySpan<AttemptRecord>)span.Records)[..span.Kept])
            WriteAttempt(span, texts, attempt);
    }

    private void WriteExchange(in ExchangeSpan span, in ExchangeTexts texts)
    {
        var begun = to.Begin(2);
        Span<byte> id = stackalloc byte[16];
        to.Bytes(1, Hex(texts.Trace, id));
        to.Bytes(2, Hex(texts.Span, id));
        if (span.HasParent)
            to.Bytes(4, Hex(texts.Parent, id));
        var method = MetricLabels.Method(span.Method).Value;
        to.Text(5, span.IsDelivery ? $"deliver {span.Service}" : NameOf(method, span.Route?.Path));
        to.Varint(6, span.IsDelivery ? Consumer : (ulong)Server);
        to.Fixed64(7, OtlpResource.Nanoseconds(span.End - span.Duration));
        to.Fixed64(8, OtlpResource.Nanoseconds(span.End));
        WriteRequest(span, texts, method);
        WriteOutcome(span);
        if (span.IsDelivery && span.HasParent)
            WriteLink(texts);
        to.Fixed32(16, Sampled | (span.HasParent ? IsRemoteKnown | IsRemote : 0));
        to.End(begun);
        Spans++;
    }

    private void WriteRequest(in ExchangeSpan span, in ExchangeTexts texts, string method)
    {
        OtlpResource.Attribute(to, Attributes, "http.request.method", method);
        if (method == "_OTHER")
            OtlpResource.Attribute(to, Attributes, "http.request.method_original", texts.Method);
        OtlpResource.Attribute(to, Attributes, "url.scheme", span.IsTls ? "https" : "http");
        OtlpResource.Attribute(to, Attributes, "url.path", texts.Path);
        OtlpResource.Attribute(to, Attributes, "url.query", texts.Query);
        OtlpResource.Attribute(to, Attributes, "http.route", span.Route?.Path);
        WriteServer(texts.Host, span.IsTls);
        OtlpResource.Attribute(to, Attributes, "network.protocol.version", MetricLabels.TextOf(span.Version));
        OtlpResource.Attribute(to, Attributes, "client.address", texts.Client);
        OtlpResource.Attribute(to, Attributes, "user_agent.original", texts.Agent);
        if (span.IsGrpc)
            WriteRpc(texts.Path);
        OtlpResource.Attribute(to, Attributes, "malha.request.id", texts.Id);
        OtlpResource.Attribute(to, Attributes, "malha.listener", span.Listener);
        OtlpResource.Attribute(to, Attributes, "malha.client", span.ClientName);
        OtlpResource.Attribute(to, Attributes, "malha.route", span.Route?.Name);
        OtlpResource.Attribute(to, Attributes, "malha.service", span.Service);
        OtlpResource.Attribute(to, Attributes, "malha.attempts", (long)span.Attempts);
    }

    private void WriteOutcome(in ExchangeSpan span)
    {
        if (span.Status > 0)
            OtlpResource.Attribute(to, Attributes, "http.response.status_code", (long)span.Status);
        var refusal = span.Refusal;
        if (!refusal.IsNone)
        {
            var kind = RefusalNames.TextOf(refusal.Kind);
            OtlpResource.Attribute(to, Attributes, "error.type", kind);
            OtlpResource.Attribute(to, Attributes, "malha.refusal", kind);
            OtlpResource.Attribute(to, Attributes, "malha.rule", refusal.Rule ?? RefusalNames.RuleOf(refusal.Fault));
            OtlpResource.Attribute(to, Attributes, "malha.hop", HopOf(span));
            if (refusal.Unit is { } unit)
            {
                OtlpResource.Attribute(to, Attributes, "malha.limit", refusal.Limit);
                OtlpResource.Attribute(to, Attributes, "malha.observed", refusal.Observed);
                OtlpResource.Attribute(to, Attributes, "malha.unit", unit);
            }
            if (span.IsCut)
                OtlpResource.Attribute(to, Attributes, "malha.cut", true);
        }
        else if (span.Status >= 500)
        {
            OtlpResource.Attribute(to, Attributes, "error.type", KnownStatus.Of(span.Status).ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        // What a client did wrong is no error of the server's (semantic conventions for HTTP).
        if (span.Status >= 500 || span.IsCut)
            WriteError(refusal.Detail);
    }

    // Whether the gateway said it of itself, or of the endpoint that it had asked last.
    private static string HopOf(in ExchangeSpan span) => span.Kept > 0 ? span.Records[span.Kept - 1].Endpoint.Name : "malha";

    private void WriteAttempt(in ExchangeSpan span, in ExchangeTexts texts, in AttemptRecord attempt)
    {
        var begun = to.Begin(2);
        Span<byte> id = stackalloc byte[16];
        to.Bytes(1, Hex(texts.Trace, id));
        BinaryPrimitives.WriteUInt64BigEndian(id, attempt.SpanId);
        to.Bytes(2, id[..8]);
        to.Bytes(4, Hex(texts.Span, id));
        var method = MetricLabels.Method(span.Method).Value;
        to.Text(5, NameOf(method, null));
        to.Varint(6, Client);
        var start = OtlpResource.Nanoseconds(span.End - span.Duration) + ((ulong)Math.Max(0, attempt.Start.Ticks) * 100);
        to.Fixed64(7, start);
        to.Fixed64(8, start + ((ulong)Math.Max(0, attempt.Duration.Ticks) * 100));

        var endpoint = attempt.Endpoint;
        OtlpResource.Attribute(to, Attributes, "http.request.method", method);
        if (method == "_OTHER")
            OtlpResource.Attribute(to, Attributes, "http.request.method_original", texts.Method);
        OtlpResource.Attribute(to, Attributes, "url.full", $"{endpoint.Name}{System.Text.Encoding.UTF8.GetString(texts.Sent.IsEmpty ? texts.Path : texts.Sent)}{QueryOf(texts)}");
        OtlpResource.Attribute(to, Attributes, "server.address", endpoint.Config.Url.Host);
        OtlpResource.Attribute(to, Attributes, "server.port", (long)endpoint.Config.Url.Port);
        OtlpResource.Attribute(to, Attributes, "network.protocol.version", endpoint.Http2 is null ? "1.1" : "2");
        if (span.IsGrpc)
            WriteRpc(texts.Path);
        OtlpResource.Attribute(to, Attributes, "malha.service", span.Service);
        if (attempt.Number > 1)
            OtlpResource.Attribute(to, Attributes, "http.request.resend_count", (long)attempt.Number - 1);
        if (attempt.IsHedge)
            OtlpResource.Attribute(to, Attributes, "malha.hedge", true);
        WriteAttemptOutcome(attempt);
        to.Fixed32(16, Sampled | IsRemoteKnown);
        to.End(begun);
        Spans++;
    }

    private void WriteAttemptOutcome(in AttemptRecord attempt)
    {
        if (attempt.Status > 0)
            OtlpResource.Attribute(to, Attributes, "http.response.status_code", (long)attempt.Status);
        if (NextSteps.NameOf(attempt.Next) is { } next)
        {
            OtlpResource.Attribute(to, Attributes, "malha.next", next);
            OtlpResource.Attribute(to, Attributes, "malha.next.delay", attempt.Delay.TotalSeconds);
        }
        var isFailure = attempt.Failure != RefusalKind.None;
        if (!isFailure && attempt.Status < 400)
            return;
        OtlpResource.Attribute(to, Attributes, "error.type",
            isFailure ? RefusalNames.TextOf(attempt.Failure) : attempt.Status.ToString(System.Globalization.CultureInfo.InvariantCulture));
        // The one that answered first is no error of this one's.
        if (attempt.Failure != RefusalKind.HedgeLost)
            WriteError(null);
    }

    // The span that accepted the operation: it is the parent too, but a link is where tools look for who caused a message.
    private void WriteLink(in ExchangeTexts texts)
    {
        Span<byte> id = stackalloc byte[16];
        var link = to.Begin(13);
        to.Bytes(1, Hex(texts.Trace, id));
        to.Bytes(2, Hex(texts.Parent, id));
        to.End(link);
    }

    private void WriteError(string? message)
    {
        var status = to.Begin(15);
        if (message is not null)
            to.Text(2, message);
        to.Varint(3, Error);
        to.End(status);
    }

    private void WriteServer(ReadOnlySpan<byte> host, bool isTls)
    {
        var colon = host.LastIndexOf((byte)':');
        var hasPort = colon > host.LastIndexOf((byte)']') && System.Buffers.Text.Utf8Parser.TryParse(host[(colon + 1)..], out ushort _, out var used) && used == host.Length - colon - 1;
        OtlpResource.Attribute(to, Attributes, "server.address", hasPort ? host[..colon] : host);
        if (host.IsEmpty)
            return;
        var port = isTls ? 443 : 80;
        if (hasPort && System.Buffers.Text.Utf8Parser.TryParse(host[(colon + 1)..], out ushort said, out _))
            port = said;
        OtlpResource.Attribute(to, Attributes, "server.port", (long)port);
    }

    // /package.Service/Method
    private void WriteRpc(ReadOnlySpan<byte> path)
    {
        OtlpResource.Attribute(to, Attributes, "rpc.system", "grpc");
        var slash = path.LastIndexOf((byte)'/');
        if (slash <= 0)
            return;
        OtlpResource.Attribute(to, Attributes, "rpc.service", path[1..slash]);
        OtlpResource.Attribute(to, Attributes, "rpc.method", path[(slash + 1)..]);
    }

    private static string QueryOf(in ExchangeTexts texts) => texts.Query.IsEmpty ? "" : "?" + System.Text.Encoding.UTF8.GetString(texts.Query);

    private static string NameOf(string method, string? route) => (method == "_OTHER" ? "HTTP" : method) + (route is null ? "" : " " + route);

    private static Span<byte> Hex(ReadOnlySpan<byte> digits, Span<byte> bytes)
    {
        Convert.FromHexString(digits, bytes, out _, out var written);
        return bytes[..written];
    }
}

/// <summary>The texts of an exchange, each taken from its own place.</summary>
internal readonly ref struct ExchangeTexts
{
    public ExchangeTexts(in ExchangeSpan span, ReadOnlySpan<byte> text)
    {
        Trace = Next(ref text, SpanText.Trace, SpanText.Trace);
        Span = Next(ref text, SpanText.Span, SpanText.Span);
        Parent = Next(ref text, SpanText.Span, SpanText.Span);
        Id = Next(ref text, span.IdLength, SpanText.Id);
        Client = Next(ref text, span.ClientLength, SpanText.Client);
        Method = Next(ref text, span.MethodLength, SpanText.Method);
        Host = Next(ref text, span.HostLength, SpanText.Host);
        var target = Next(ref text, span.TargetLength, SpanText.Target);
        // The absolute form says the host again.
        if (target.IndexOf("://"u8) is > 0 and var scheme && !target.StartsWith("/"u8))
            target = target[(scheme + 3)..].IndexOf((byte)'/') is >= 0 and var slash ? target[(scheme + 3 + slash)..] : "/"u8;
        var mark = target.IndexOf((byte)'?');
        Path = mark < 0 ? target : target[..mark];
        Query = mark < 0 ? default : target[(mark + 1)..];
        Sent = Next(ref text, span.SentLength, SpanText.Sent);
        Agent = Next(ref text, span.AgentLength, SpanText.Agent);
    }

    public ReadOnlySpan<byte> Trace { get; }

    public ReadOnlySpan<byte> Span { get; }

    public ReadOnlySpan<byte> Parent { get; }

    public ReadOnlySpan<byte> Id { get; }

    public ReadOnlySpan<byte> Client { get; }

    public ReadOnlySpan<byte> Method { get; }

    public ReadOnlySpan<byte> Host { get; }

    public ReadOnlySpan<byte> Path { get; }

    public ReadOnlySpan<byte> Query { get; }

    /// <summary>The path that the service got; empty when it got the client's.</summary>
    public ReadOnlySpan<byte> Sent { get; }

    public ReadOnlySpan<byte> Agent { get; }

    private static ReadOnlySpan<byte> Next(scoped ref ReadOnlySpan<byte> text, int length, int most)
    {
        var value = text[..length];
        text = text[most..];
        return value;
    }
}
