using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>
/// Trailers: RFC 9110, 6.5 and RFC 9112, 7.1.2. What frames or names the host is refused; what authorizes or controls is refused or dropped;
/// anything else is forwarded as a trailer or dropped, never turned into a field of the head.
/// </summary>
internal static class TrailerTraps
{
    public static IEnumerable<GuardCase> All() =>
    [
        Refuse("Content-Length", "Content-Length: 5"),
        Refuse("content-length, small", "content-length: 0"),
        Refuse("Transfer-Encoding", "Transfer-Encoding: chunked"),
        Refuse("Host", "Host: evil.example"),
        Refuse("a bracket in the name", "Bad[Name: x"),
        Refuse("a space before the colon", "Name : x"),
        Refuse("an empty name", ": x"),
        Refuse("no colon", "Name"),
        Refuse("a folded line", "Name: x\r\n y"),
        Refuse("white space first", " Name: x"),
        Refuse("a bare CR", "Name: x\ry"),
        Refuse("a bare LF", "Name: x\ny"),
        Refuse("a NUL", "Name: x\0y"),
        Refuse("a control byte", "Name: x\x01y"),
        GuardCase.Refuse("trailers of 200 KiB", Post(string.Concat(Enumerable.Range(0, 2000).Select(i => $"X-{i}: {new string('x', 90)}\r\n"))[..^2]), 400, 413, 431),
        Dropped("Authorization", "Authorization: Basic YTpi"),
        Dropped("Cookie", "Cookie: a=b"),
        Dropped("Connection", "Connection: close"),
        Dropped("TE", "TE: trailers"),
        Dropped("Trailer", "Trailer: X-Sum"),
        Dropped("Expect", "Expect: 100-continue"),
        Dropped("Content-Encoding", "Content-Encoding: gzip"),
        Dropped("Content-Range", "Content-Range: bytes 0-1/2"),
        Good("one", "X-Sum: 123"),
        Good("two", "X-Sum: 123\r\nX-Other: abc"),
        Good("an empty value", "X-Sum:"),
        GuardCase.Good(
            "trailers that are announced and asked for",
            "POST /trailer HTTP/1.1\r\nHost: trap.example\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ];

    private static string Post(string trailers) => $"POST /trailer HTTP/1.1\r\nHost: trap.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{trailers}\r\n\r\n";

    private static GuardCase Refuse(string name, string trailers) => GuardCase.Refuse($"trailer: {name}", Post(trailers), 400);

    private static GuardCase Good(string name, string trailers) => GuardCase.Good($"trailer: {name}", Post(trailers));

    private static GuardCase Dropped(string name, string trailers) =>
        GuardCase.Either($"trailer: {name}", "POST /trailer HTTP/1.1\r\nHost: trap.example\r\nContent-Length: 5\r\n\r\nhello") with { Bytes = WireText.Bytes(Post(trailers)) };
}
