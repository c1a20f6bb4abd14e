using Malha.Proxy.Http1;

namespace Malha.Proxy.Rpc;

/// <summary>What a gRPC call says of itself in its head (gRPC over HTTP/2, "Requests").</summary>
internal static class GrpcCall
{
    /// <summary>The most digits that a timeout may have.</summary>
    private const int MaxDigits = 8;

    /// <summary>Whether a Content-Type is that of gRPC itself: not of gRPC-Web, whose trailers are in its body.</summary>
    public static bool IsType(ReadOnlySpan<byte> contentType)
    {
        var name = "application/grpc"u8;
        return contentType.Length >= name.Length && HttpSyntax.EqualsIgnoreCase(contentType[..name.Length], name)
            && (contentType.Length == name.Length || contentType[name.Length] is (byte)'+' or (byte)';');
    }

    /// <summary>How long the caller waits for the whole call; null when it says nothing that can be read.</summary>
    public static TimeSpan? TimeoutOf(RequestHead head)
    {
        if (!head.Has(KnownHeader.GrpcTimeout))
            return null;
        var text = head.Value(KnownHeader.GrpcTimeout);
        if (text.Length is < 2 or > MaxDigits + 1 || !long.TryParse(text[..^1], System.Globalization.NumberStyles.None, null, out var value))
            return null;
        return text[^1] switch
        {
            (byte)'H' => TimeSpan.FromHours(Math.Min(value, 24 * 365)),
            (byte)'M' => TimeSpan.FromMinutes(Math.Min(value, 60 * 24 * 365)),
            (byte)'S' => TimeSpan.FromSeconds(value),
            (byte)'m' => TimeSpan.FromMilliseconds(value),
            (byte)'u' => TimeSpan.FromMicroseconds(value),
            (byte)'n' => TimeSpan.FromTicks(value / 100),
            _ => null,
        };
    }

    /// <summary>The number in a <c>grpc-status</c>; null when there is none that can be read.</summary>
    public static int? StatusOf(MessageHead head) =>
        head.Has(KnownHeader.GrpcStatus) && int.TryParse(head.Value(KnownHeader.GrpcStatus), System.Globalization.NumberStyles.None, null, out var status) ? status : null;
}
