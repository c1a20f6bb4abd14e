using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Downstream;

/// <summary>
/// The one place where a refusal becomes HTTP: problem details (RFC 9457) and Proxy-Status (RFC 9209), written into a span, so that saying
/// no costs less than serving.
/// </summary>
internal static class ProblemWriter
{
    public const int MaxFields = 640;
    public const int MaxBody = 2048;

    private const int MaxText = 200;

    // What each kind of refusal always says, put together once.
    private static readonly byte[][] KindFields = [.. Enum.GetValues<RefusalKind>().Select(FieldsOf)];
    private static readonly byte[][] KindOpenings = [.. Enum.GetValues<RefusalKind>().Select(OpeningOf)];

    /// <summary>What stands in JSON as it is.</summary>
    private static readonly SearchValues<char> Plain =
        SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Select(code => (char)code).Where(letter => letter is not ('"' or '\\'))]);

    /// <summary>The answer to a head that did not come in time, whole.</summary>
    public static byte[] LateHead()
    {
        var body = """{"type":"urn:malha:problem:slow-request","title":"The request did not come in time","status":408}""";
        return Encoding.ASCII.GetBytes(
            $"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/problem+json\r\nProxy-Status: malha; error=http_request_error\r\n"
            + $"Content-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}");
    }

    /// <summary>The answer to somebody who speaks HTTP in clear where TLS is spoken.</summary>
    public static byte[] NotTls()
    {
        var body = """{"type":"urn:malha:problem:tls-required","title":"This port speaks TLS","status":400,"detail":"The request came in clear. Use https:// for this address."}""";
        return Encoding.ASCII.GetBytes(
            $"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nProxy-Status: malha; error=http_request_error\r\n"
            + $"Content-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}");
    }

    /// <summary>Field lines for the refusal.</summary>
    public static int WriteFields(Span<byte> buffer, Exchange exchange, in Refusal refusal)
    {
        var writer = new HeadWriter(buffer);
        writer.Write(KindFields[(int)refusal.Kind]);
        if (refusal.Kind == RefusalKind.MethodNotAllowed)
        {
            // Owed with every 405 (RFC 9110, 15.5.6).
            Span<byte> methods = stackalloc byte[128];
            writer.Field("Allow"u8, methods[..exchange.Model.Routes.WriteAllow(exchange.Request, methods)]);
        }
        if (refusal.RetryAfterMs > 0)
        {
            writer.Write("Retry-After: "u8);
            // In whole seconds, never earlier than it helps.
            writer.Write((refusal.RetryAfterMs + 999) / 1000);
            writer.EndLine();
        }
        return writer.Length;
    }

    /// <summary>Which hop refuses, and why, in the words of RFC 9209.</summary>
    public static void WriteProxyStatus(ref HeadWriter writer, in Refusal refusal) => writer.Field("Proxy-Status"u8, ProxyStatus(refusal.Kind));

    /// <summary>The document.</summary>
    public static int WriteBody(Span<byte> buffer, Exchange exchange, in Refusal refusal)
    {
        var writer = new HeadWriter(buffer);
        writer.Write(KindOpenings[(int)refusal.Kind]);
        writer.Write(refusal.Status);
        if (refusal.Fault != HttpFault.None)
            Text(ref writer, ",\"detail\":"u8, refusal.Fault.Describe());
        else if (refusal.Detail is not null)
            Text(ref writer, ",\"detail\":"u8, refusal.Detail);
        writer.Write(",\"instance\":\"/api/v1/decisions/"u8);
        writer.Write(exchange.RequestId);
        writer.Write((byte)'"');
        if (refusal.Rule is not null)
            Text(ref writer, ",\"rule\":"u8, refusal.Rule);
        if (refusal.Unit is not null)
        {
            Number(ref writer, ",\"limit\":"u8, refusal.Limit);
            Number(ref writer, ",\"observed\":"u8, refusal.Observed);
            Text(ref writer, ",\"unit\":"u8, refusal.Unit);
        }
        writer.Write(",\"hop\":\"malha\""u8);
        if (exchange.Caller.Client is { } client)
        {
            writer.Write(",\"client\":\""u8);
            writer.Write(client.NameBytes);
            writer.Write((byte)'"');
        }
        if (refusal.RetryAfterMs > 0)
        {
            writer.Write(",\"retryAfterMs\":"u8);
            writer.Write(refusal.RetryAfterMs);
        }
        writer.Write(",\"traceId\":\""u8);
        writer.Write(exchange.Trace.TraceId);
        writer.Write("\"}\n"u8);
        return writer.Length;
    }

    /// <summary>The problem type's last part; also what logs and metrics call the refusal.</summary>
    public static ReadOnlySpan<byte> TypeOf(RefusalKind kind) => kind switch
    {
        RefusalKind.Malformed => "malformed-request"u8,
        RefusalKind.NoRoute => "no-route"u8,
        RefusalKind.MethodNotAllowed => "method-not-allowed"u8,
        RefusalKind.SlowRequest => "slow-request"u8,
        RefusalKind.BodyTooLarge => "body-too-large"u8,
        RefusalKind.ClientGone => "client-gone"u8,
        RefusalKind.NoEndpoint => "no-endpoint"u8,
        RefusalKind.Unhealthy => "unhealthy"u8,
        RefusalKind.ConnectionLimit => "connection-limit"u8,
        RefusalKind.StreamLimit => "stream-limit"u8,
        RefusalKind.Overloaded => "overloaded"u8,
        RefusalKind.OverCapacity => "over-capacity"u8,
        RefusalKind.BreakerOpen => "breaker-open"u8,
        RefusalKind.ConnectFailed => "connect-failed"u8,
        RefusalKind.ConnectTimeout => "connect-timeout"u8,
        RefusalKind.Untrusted => "untrusted-endpoint"u8,
        RefusalKind.ConnectionLost => "connection-lost"u8,
        RefusalKind.HedgeLost => "hedge-lost"u8,
        RefusalKind.BadAnswer => "bad-answer"u8,
        RefusalKind.Deadline => "deadline"u8,
        RefusalKind.Shutdown => "shutdown"u8,
        RefusalKind.InvalidCredential => "invalid-credential"u8,
        RefusalKind.CredentialFailures => "credential-failures"u8,
        RefusalKind.Unauthenticated => "unauthenticated"u8,
        RefusalKind.Forbidden => "forbidden"u8,
        RefusalKind.RateLimited => "rate-limited"u8,
        RefusalKind.SelfProtection => "self-protection"u8,
        RefusalKind.Throttled => "throttled"u8,
        RefusalKind.IdempotencyKeyMissing => "idempotency-key-missing"u8,
        RefusalKind.IdempotencyKeyInUse => "idempotency-key-in-use"u8,
        RefusalKind.IdempotencyKeyReused => "idempotency-key-reused"u8,
        RefusalKind.NotKept => "not-kept"u8,
        RefusalKind.NoOperation => "no-operation"u8,
        RefusalKind.OperationMethod => "operation-method"u8,
        RefusalKind.OperationStarted => "operation-started"u8,
        RefusalKind.NoAnswer => "no-answer"u8,
        RefusalKind.AnswerNotKept => "answer-not-kept"u8,
        _ => "internal"u8,
    };

    public static ReadOnlySpan<byte> Title(RefusalKind kind) => kind switch
    {
        RefusalKind.Malformed => "The request is malformed or ambiguous"u8,
        RefusalKind.NoRoute => "No route matches the request"u8,
        RefusalKind.MethodNotAllowed => "The route does not take this method"u8,
        RefusalKind.SlowRequest => "The request did not come in time"u8,
        RefusalKind.BodyTooLarge => "The body is larger than the service takes"u8,
        RefusalKind.ClientGone => "The client closed the connection"u8,
        RefusalKind.NoEndpoint => "The service has no endpoint"u8,
        RefusalKind.Unhealthy => "No endpoint of the service is healthy"u8,
        RefusalKind.ConnectionLimit => "All connections to the endpoint are in use"u8,
        RefusalKind.StreamLimit => "The service has as many long exchanges as it may"u8,
        RefusalKind.Overloaded => "The service has as many requests in flight as it can work on"u8,
        RefusalKind.OverCapacity => "More requests than the service was designed to bear"u8,
        RefusalKind.BreakerOpen => "The service's circuit breaker is open"u8,
        RefusalKind.ConnectFailed => "The endpoint refused the connection"u8,
        RefusalKind.ConnectTimeout => "The endpoint did not take the connection in time"u8,
        RefusalKind.Untrusted => "The TLS handshake with the endpoint failed"u8,
        RefusalKind.ConnectionLost => "The endpoint closed the connection before it answered"u8,
        RefusalKind.HedgeLost => "Another attempt answered first"u8,
        RefusalKind.BadAnswer => "The endpoint's answer is malformed or ambiguous"u8,
        RefusalKind.Deadline => "The service did not answer in time"u8,
        RefusalKind.Shutdown => "This gateway is shutting down"u8,
        RefusalKind.InvalidCredential => "The credential is not valid"u8,
        RefusalKind.CredentialFailures => "Too many credentials from this address were not valid"u8,
        RefusalKind.Unauthenticated => "The route serves known clients only"u8,
        RefusalKind.Forbidden => "The client may not call this route"u8,
        RefusalKind.RateLimited => "The client asks for more than its limit"u8,
        RefusalKind.SelfProtection => "This gateway is short of resources"u8,
        RefusalKind.Throttled => "The service sends most of these requests away"u8,
        RefusalKind.IdempotencyKeyMissing => "The route needs an Idempotency-Key"u8,
        RefusalKind.IdempotencyKeyInUse => "A request with this Idempotency-Key is being carried out"u8,
        RefusalKind.IdempotencyKeyReused => "The Idempotency-Key was used for another request"u8,
        RefusalKind.NotKept => "The service cannot take the request now, and it could not be kept for later"u8,
        RefusalKind.NoOperation => "There is no such operation of this client"u8,
        RefusalKind.OperationMethod => "Operations do not take this method"u8,
        RefusalKind.OperationStarted => "The operation has started, or is over, and cannot be cancelled"u8,
        RefusalKind.NoAnswer => "The operation has no answer yet"u8,
        RefusalKind.AnswerNotKept => "The answer was larger than what is kept"u8,
        _ => "The gateway failed"u8,
    };

    // Error types of RFC 9209, section 2.3.
    private static ReadOnlySpan<byte> ProxyStatus(RefusalKind kind) => kind switch
    {
        RefusalKind.Malformed or RefusalKind.SlowRequest or RefusalKind.BodyTooLarge or RefusalKind.MethodNotAllowed or RefusalKind.IdempotencyKeyMissing
            or RefusalKind.IdempotencyKeyInUse or RefusalKind.IdempotencyKeyReused or RefusalKind.OperationMethod or RefusalKind.OperationStarted => "malha; error=http_request_error"u8,
        RefusalKind.InvalidCredential or RefusalKind.CredentialFailures or RefusalKind.Unauthenticated or RefusalKind.Forbidden or RefusalKind.RateLimited =>
            "malha; error=http_request_denied"u8,
        RefusalKind.NoRoute or RefusalKind.NoOperation or RefusalKind.NoAnswer or RefusalKind.AnswerNotKept => "malha; error=destination_not_found"u8,
        RefusalKind.ConnectionLimit or RefusalKind.StreamLimit or RefusalKind.Overloaded or RefusalKind.OverCapacity or RefusalKind.SelfProtection or RefusalKind.Throttled =>
            "malha; error=connection_limit_reached"u8,
        RefusalKind.ConnectFailed => "malha; error=connection_refused"u8,
        RefusalKind.ConnectTimeout => "malha; error=connection_timeout"u8,
        RefusalKind.Untrusted => "malha; error=tls_certificate_error"u8,
        RefusalKind.ConnectionLost => "malha; error=connection_terminated"u8,
        RefusalKind.BadAnswer => "malha; error=http_protocol_error"u8,
        RefusalKind.Deadline => "malha; error=http_response_timeout"u8,
        RefusalKind.NoEndpoint or RefusalKind.Unhealthy or RefusalKind.BreakerOpen or RefusalKind.NotKept => "malha; error=destination_unavailable"u8,
        _ => "malha; error=proxy_internal_error"u8,
    };

    private static byte[] FieldsOf(RefusalKind kind)
    {
        var buffer = new byte[MaxFields];
        var writer = new HeadWriter(buffer);
        writer.Write("Content-Type: application/problem+json\r\n"u8);
        writer.Field("Proxy-Status"u8, ProxyStatus(kind));
        // Owed with every 401 (RFC 9110, 15.5.2). There is no registered scheme for keys in a field of their own; Kong says it like this.
        if (kind is RefusalKind.InvalidCredential or RefusalKind.Unauthenticated)
            writer.Write("WWW-Authenticate: Key realm=\"malha\"\r\n"u8);
        if (kind == RefusalKind.OperationMethod)
            writer.Write("Allow: GET, HEAD, DELETE\r\n"u8);
        return buffer[..writer.Length];
    }

    private static byte[] OpeningOf(RefusalKind kind)
    {
        var buffer = new byte[MaxBody];
        var writer = new HeadWriter(buffer);
        writer.Write("{\"type\":\"urn:malha:problem:"u8);
        writer.Write(TypeOf(kind));
        writer.Write("\",\"title\":\""u8);
        writer.Write(Title(kind));
        writer.Write("\",\"status\":"u8);
        return buffer[..writer.Length];
    }

    [SkipLocalsInit]
    private static void Number(ref HeadWriter writer, ReadOnlySpan<byte> name, double value)
    {
        writer.Write(name);
        // Most are whole, which is written in a tenth of the time.
        if (value == (long)value)
        {
            writer.Write((long)value);
            return;
        }
        Span<byte> text = stackalloc byte[32];
        System.Buffers.Text.Utf8Formatter.TryFormat(value, text, out var length);
        writer.Write(text[..length]);
    }

    // Text from our own tables and the configuration: escaped all the same, since a key may hold anything.
    private static void Text(ref HeadWriter writer, ReadOnlySpan<byte> name, string text)
    {
        writer.Write(name);
        writer.Write((byte)'"');
        var shown = text.AsSpan(0, Math.Min(text.Length, MaxText));
        if (!shown.ContainsAnyExcept(Plain))
            writer.WriteAscii(shown);
        else
            Escaped(ref writer, shown);
        writer.Write((byte)'"');
    }

    private static void Escaped(ref HeadWriter writer, ReadOnlySpan<char> shown)
    {
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in shown.EnumerateRunes())
        {
            if (rune.Value is '"' or '\\')
                writer.Write((byte)'\\');
            var length = rune.Value < 0x20 ? " "u8.TryCopyTo(utf8) ? 1 : 0 : rune.EncodeToUtf8(utf8);
            writer.Write(utf8[..length]);
        }
    }
}
