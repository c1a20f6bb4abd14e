using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>
/// llhttp's response cases as answers of an upstream. The verdict is a strict reader's; <see cref="Deviations"/> are all the places where
/// llhttp's is another, each with the reason.
/// </summary>
internal static class LlhttpResponseCases
{
    private const string NotSolicited = "101 without a request for it (RFC 9110, 15.2.2)";
    private const string NotHttp = "not HTTP";
    private const string OtherCoding = "a coding that nobody asked for and the gateway does not undo (RFC 9112, 6.1)";

    public static IReadOnlyDictionary<string, string> Deviations { get; } = new Dictionary<string, string>
    {
        ["connection: HTTP 101 response with Upgrade and Content-Length header"] = NotSolicited,
        ["connection: HTTP 101 response with Upgrade and Transfer-Encoding header"] = NotSolicited,
        ["sample: RTSP response"] = NotHttp,
        ["sample: ICE response"] = NotHttp,
        ["sample: HTTP version 0.9"] = "no version of RFC 9112's status line",
        ["connection: HTTP 100 first, then 400"] = "an empty line behind the interim answer, which only a server may pass over (RFC 9112, 2.2)",
        ["sample: Response starting with CRLF"] = "only a server passes over empty lines (RFC 9112, 2.2), and in a pooled connection they are left over from something",
        ["transfer-encoding: `chunked` before other transfer-encoding"] = OtherCoding,
        ["transfer-encoding: multiple transfer-encoding where chunked is not the last one"] = OtherCoding,
        ["transfer-encoding: `chunkedchunked` transfer-encoding does not enable chunked enconding"] = OtherCoding,
        ["sample: No reason phrase"] = "the space behind the status is missing (RFC 9112, 4): may be passed over",
    };

    public static IReadOnlyDictionary<string, ReplyCase> ByName { get; } = LlhttpCorpus.Responses.Select(Ruled).ToDictionary(reply => reply.Name);

    private static ReplyCase WithoutDoubledEmptyLine(LlhttpCase given) =>
        ReplyCase.Read(given.Name, WireText.Text(given.Input).Replace("\r\n\r\n\r\n", "\r\n\r\n", StringComparison.Ordinal));

    private static ReplyCase Ruled(LlhttpCase given)
    {
        // Its parser is told not to expect the body: that is a HEAD.
        var letter = ReplyCase.Read(given.Name, given.Input, given.SkipsBody ? "HEAD" : "GET");
        return given.Name switch
        {
            "sample: Response starting with CRLF" => ReplyCase.Read(given.Name, given.Input[2..]) with { Reply = given.Input, Ruling = ReplyRuling.Either },
            "sample: No reason phrase" => ReplyCase.Read(given.Name, "HTTP/1.1 301 \r\n\r\n") with { Reply = given.Input, Ruling = ReplyRuling.Either },
            "connection: HTTP 100 first, then 400" => WithoutDoubledEmptyLine(given) with { Reply = given.Input, Ruling = ReplyRuling.Either },
            _ => letter,
        };
    }
}
