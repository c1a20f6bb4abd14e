using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>
/// curl's malformed replies as answers of an upstream: as the suite writes them (most with LF, which alone makes them bad) and, where that
/// differs, with CRLF in their heads, so that their own fault is reached.
/// </summary>
internal static class CurlReplyCases
{
    /// <summary>Good to the letter, and yet a proxy may refuse them.</summary>
    private static readonly Dictionary<int, string> MayRefuse = new()
    {
        [497] = "a head of 300 KB",
        [747] = "5,000 fields",
        [1154] = "a field of 100 KB",
    };

    public static IReadOnlyDictionary<string, ReplyCase> ByName { get; } =
        CurlCorpus.All.Where(curl => !curl.IsWebSocket).SelectMany(Replies).ToDictionary(reply => reply.Name);

    public static IReadOnlyDictionary<string, (byte[] Head, byte[] Frames)> WebSocketsByName { get; } =
        CurlCorpus.All.Where(curl => curl.IsWebSocket).ToDictionary(curl => $"test{curl.Number} {curl.Title}", curl => Split(curl.MendedReplies[0]));

    private static IEnumerable<ReplyCase> Replies(CurlCase curl)
    {
        for (var i = 0; i < curl.Replies.Count; i++)
        {
            var name = $"test{curl.Number} {curl.Title}{(i == 0 ? "" : $", reply {i + 1}")}";
            var isMended = !curl.Replies[i].AsSpan().SequenceEqual(curl.MendedReplies[i]);
            yield return Ruled(curl, name, curl.Replies[i]);
            if (isMended)
                yield return Ruled(curl, $"{name}, with CRLF", curl.MendedReplies[i]);
        }
    }

    private static ReplyCase Ruled(CurlCase curl, string name, byte[] reply)
    {
        var letter = ReplyCase.Read(name, reply, curl.Method);
        if (MayRefuse.ContainsKey(curl.Number) && letter.Ruling == ReplyRuling.Pass)
            return letter with { Ruling = ReplyRuling.Either };
        // A later minor version may be read as 1.1 (RFC 9110, 2.5).
        if (reply.AsSpan().StartsWith("HTTP/1.2 "u8) && letter.Ruling == ReplyRuling.Bad)
            letter = ReplyCase.Read(name, [.. "HTTP/1.1 "u8, .. reply.AsSpan(9)], curl.Method) with { Reply = reply };
        return reply.AsSpan().StartsWith("HTTP/1.2 "u8) && letter.Ruling == ReplyRuling.Pass ? letter with { Ruling = ReplyRuling.Either } : letter;
    }

    private static (byte[] Head, byte[] Frames) Split(byte[] reply)
    {
        var end = reply.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        return (reply[..end], reply[end..]);
    }
}
