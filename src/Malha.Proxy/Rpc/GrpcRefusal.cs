using System.Text;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Rpc;

/// <summary>A refusal in the words of gRPC: an answer of trailers only, or the last word of one that has begun.</summary>
internal static class GrpcRefusal
{
    private const int MaxMessage = 200;

    /// <summary>Answers a call that no endpoint has answered.</summary>
    public static ValueTask<bool> SendAsync(Exchange exchange, in Refusal refusal)
    {
        Span<byte> buffer = stackalloc byte[ProblemWriter.MaxFields + (4 * MaxMessage)];
        var writer = new HeadWriter(buffer);
        writer.Write("Content-Type: application/grpc\r\n"u8);
        Write(ref writer, refusal);
        ProblemWriter.WriteProxyStatus(ref writer, refusal);
        var sending = exchange.Response.SendOwnAsync(exchange, 200, buffer[..writer.Length], default, close: refusal.Kind == RefusalKind.Malformed);
        // The transport's 200 says nothing; what logs and metrics count is what it would have been for anybody else.
        exchange.Response.Status = refusal.Status;
        return sending;
    }

    /// <summary>Ends an answer whose rest does not come. False when it must be broken off instead.</summary>
    public static bool TryEnd(Exchange exchange, in Refusal refusal)
    {
        Span<byte> buffer = stackalloc byte[256 + (4 * MaxMessage)];
        var writer = new HeadWriter(buffer);
        Write(ref writer, refusal);
        writer.EndLine();
        return exchange.Response.TryEndWith(buffer[..writer.Length]);
    }

    /// <summary>What a refusal is called.</summary>
    public static GrpcStatus StatusOf(RefusalKind kind) => kind switch
    {
        RefusalKind.NoRoute or RefusalKind.MethodNotAllowed => GrpcStatus.Unimplemented,
        RefusalKind.InvalidCredential or RefusalKind.Unauthenticated => GrpcStatus.Unauthenticated,
        RefusalKind.Forbidden => GrpcStatus.PermissionDenied,
        RefusalKind.RateLimited or RefusalKind.CredentialFailures or RefusalKind.BodyTooLarge => GrpcStatus.ResourceExhausted,
        RefusalKind.Deadline or RefusalKind.ConnectTimeout or RefusalKind.SlowRequest => GrpcStatus.DeadlineExceeded,
        RefusalKind.ClientGone => GrpcStatus.Cancelled,
        RefusalKind.Malformed or RefusalKind.BadAnswer or RefusalKind.Internal => GrpcStatus.Internal,
        _ => GrpcStatus.Unavailable,
    };

    private static void Write(ref HeadWriter writer, in Refusal refusal)
    {
        writer.Write("grpc-status: "u8);
        writer.Write((int)StatusOf(refusal.Kind));
        writer.Write("\r\ngrpc-message: "u8);
        WriteEscaped(ref writer, ProblemWriter.Title(refusal.Kind));
        var detail = refusal.Fault != HttpFault.None ? refusal.Fault.Describe() : refusal.Detail ?? refusal.Rule;
        if (detail is not null)
        {
            writer.Write(" ("u8);
            Span<byte> utf8 = stackalloc byte[MaxMessage];
            Encoding.UTF8.GetEncoder().Convert(detail, utf8, flush: true, out _, out var length, out _);
            WriteEscaped(ref writer, utf8[..length]);
            writer.Write((byte)')');
        }
        writer.EndLine();
        if (refusal.RetryAfterMs <= 0)
            return;
        // gRFC A6: a client with a retry policy waits so long.
        writer.Write("grpc-retry-pushback-ms: "u8);
        writer.Write(refusal.RetryAfterMs);
        writer.EndLine();
    }

    // Percent-encoded, as gRPC has it: everything but visible ASCII and the space.
    private static void WriteEscaped(ref HeadWriter writer, scoped ReadOnlySpan<byte> text)
    {
        foreach (var value in text)
        {
            if (value is >= 0x20 and <= 0x7E and not (byte)'%')
            {
                writer.Write(value);
                continue;
            }
            writer.Write((byte)'%');
            writer.Write((byte)"0123456789ABCDEF"[value >> 4]);
            writer.Write((byte)"0123456789ABCDEF"[value & 15]);
        }
    }
}
