using System.Runtime.CompilerServices;
using Malha.Proxy.Http1;
using Malha.Proxy.Telemetry.Decisions;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Telemetry.Metrics;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>How much of each text of an exchange its spans keep.</summary>
internal static class SpanText
{
    public const int Trace = 32;
    public const int Span = 16;
    public const int Id = 128;
    public const int Client = 64;
    public const int Method = 24;
    public const int Host = 128;
    public const int Target = 512;
    public const int Sent = 256;
    public const int Agent = 128;

    public const int Length = Trace + Span + Span + Id + Client + Method + Host + Target + Sent + Agent;
}

/// <summary>What the spans of one exchange say, copied out of it when it is over; its texts stand beside it, each in its own place.</summary>
internal struct ExchangeSpan
{
    public DateTimeOffset End;
    public TimeSpan Duration;
    public int Status;
    public HttpMethodKind Method;
    public HttpVersionKind Version;
    public bool IsTls;
    public bool IsGrpc;
    public bool IsDelivery;
    public bool IsCut;

    /// <summary>Whether a caller's span is its parent.</summary>
    public bool HasParent;
    public int IdLength;
    public int ClientLength;
    public int MethodLength;
    public int HostLength;
    public int TargetLength;
    public int SentLength;
    public int AgentLength;
    public string? Listener;
    public string? ClientName;
    public RouteLabels? Route;
    public string? Service;
    public Refusal Refusal;
    public int Attempts;
    public int Kept;
    public AttemptArray Records;

    public void Fill(Exchange exchange, Span<byte> text, DateTimeOffset end, TimeSpan duration, int status)
    {
        var request = exchange.Request;
        var trace = exchange.Trace;
        (End, Duration, Status, Method) = (end, duration, status, request.Kind);
        Version = request.IsHttp2 ? HttpVersionKind.Http2 : request.MinorVersion == 1 ? HttpVersionKind.Http11 : HttpVersionKind.Http10;
        (IsTls, IsGrpc, IsDelivery, IsCut) = (exchange.Connection.IsTls, exchange.IsGrpc, exchange.IsDelivery, exchange.IsCut);
        HasParent = trace.IsContinued;
        Take(ref text, trace.TraceId, SpanText.Trace);
        Take(ref text, trace.SpanId, SpanText.Span);
        Take(ref text, HasParent ? request.Value(KnownHeader.TraceParent).Slice(36, SpanText.Span) : default, SpanText.Span);
        IdLength = Take(ref text, exchange.RequestId, SpanText.Id);
        ClientLength = Take(ref text, exchange.Connection.ClientAddress, SpanText.Client);
        MethodLength = Take(ref text, request.Bytes(request.Method), SpanText.Method);
        HostLength = Take(ref text, request.Bytes(request.Authority), SpanText.Host);
        var target = request.Bytes(request.Target);
        TargetLength = SecretQuery.IsSuspect(target) ? SecretQuery.Copy(target, text[..SpanText.Target]) : Math.Min(target.Length, SpanText.Target);
        if (!SecretQuery.IsSuspect(target))
            target[..TargetLength].CopyTo(text);
        text = text[SpanText.Target..];
        SentLength = Take(ref text, exchange.RewrittenPath, SpanText.Sent);
        AgentLength = Take(ref text, request.Has(KnownHeader.UserAgent) ? request.Value(KnownHeader.UserAgent) : default, SpanText.Agent);
        Listener = exchange.Connection.ListenerName;
        ClientName = exchange.Caller.Client?.Name;
        Route = exchange.Route is { } route ? exchange.Model.RouteMetrics[route.Index].Route : null;
        Service = exchange.Service?.Config.Name;
        Refusal = exchange.Refusal;
        Attempts = exchange.Attempts;
        Kept = exchange.AttemptLog.Attempts.Length;
        exchange.AttemptLog.Attempts.CopyTo(Records);
    }

    private static int Take(ref Span<byte> text, ReadOnlySpan<byte> bytes, int most)
    {
        var length = Math.Min(bytes.Length, most);
        bytes[..length].CopyTo(text);
        text = text[most..];
        return length;
    }

    [InlineArray(AttemptLog.Kept)]
    internal struct AttemptArray
    {
        private AttemptRecord _first;
    }
}
