using System.Text;

namespace Malha.Proxy.Http1;

/// <summary>Names of fields as strings, without making a new one for those that most messages have.</summary>
internal static class FieldNames
{
    // A power of two, so large that the usual names hardly meet.
    private const int Slots = 512;

    private static readonly (byte[] Bytes, string Text)[] Table = Build(
    [
        "Accept", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Access-Control-Allow-Origin", "Age", "Allow", "Alt-Svc", "Authorization", "Cache-Control",
        "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Content-Security-Policy", "Content-Type",
        "Cookie", "Date", "ETag", "Expires", "Forwarded", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "Last-Modified", "Link", "Location", "Malha-Class",
        "Malha-Timeout", "Origin", "Pragma", "Proxy-Status", "Range", "RateLimit", "RateLimit-Policy", "Referer", "Retry-After", "Server", "Set-Cookie",
        "Strict-Transport-Security", "TE", "Trailer", "User-Agent", "Vary", "Via", "WWW-Authenticate", "X-Content-Type-Options", "X-Forwarded-For",
        "X-Forwarded-Host", "X-Forwarded-Proto", "X-Frame-Options", "X-Powered-By", "X-Request-Id", "accept", "content-type", "date", "server", "traceparent",
        "tracestate", "user-agent", "grpc-status", "grpc-message", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding",
    ]);

    public static string TextOf(ReadOnlySpan<byte> name)
    {
        ref readonly var entry = ref Table[SlotOf(name)];
        return entry.Bytes is not null && name.SequenceEqual(entry.Bytes) ? entry.Text : Encoding.Latin1.GetString(name);
    }

    private static (byte[] Bytes, string Text)[] Build(string[] names)
    {
        var table = new (byte[], string)[Slots];
        foreach (var name in names)
        {
            var bytes = Encoding.ASCII.GetBytes(name);
            table[SlotOf(bytes)] = (bytes, name);
        }
        return table;
    }

    private static int SlotOf(ReadOnlySpan<byte> name) =>
        name.IsEmpty ? 0 : ((name.Length * 37) ^ (name[0] * 7) ^ (name[name.Length / 2] * 61) ^ (name[^1] * 131)) & (Slots - 1);
}
