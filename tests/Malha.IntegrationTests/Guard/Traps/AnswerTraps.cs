namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>The listener's traps, seen from the other side: answers that an upstream should not have sent, and good ones beside them.</summary>
internal static class AnswerTraps
{
    // A NUL, a bell, VT, FF, ESC, DEL: each in a place where it has cut or split something.
    private static readonly char[] Controls = ['\0', '\x07', '\x0b', '\x0c', '\x1b', '\x7f'];

    public static IReadOnlyDictionary<string, ReplyCase> ByName { get; } =
        Lines().Concat(Framing()).Concat(Fields()).Concat(Chunks()).Concat(Ends()).ToDictionary(reply => reply.Name);

    private static IEnumerable<ReplyCase> Lines() =>
    [
        Bad("status 99", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("status 600", "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("status 2000", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("status 20", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("a word as status", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("a plus in the status", "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("HTTP/0.9", "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("small letters", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"),
        Bad("a NUL in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"),
        Bad("a bare CR in the reason", "HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n"),
        Bad("a request", "GET / HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Bad("a body without a head", "hello world\r\n\r\n"),
        Bad("HTTP/2's settings", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff"),
        Bad("a switch of protocols that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"),
        ReplyCase.Either("answer: HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ReplyCase.Either("answer: no space behind the status", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        Good("no reason", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"),
        Good("a reason of bytes beyond ASCII", "HTTP/1.1 200 D\xe9j\xe0 vu\r\nContent-Length: 5\r\n\r\nhello"),
        Good("status 599", "HTTP/1.1 599 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        Good("status 299", "HTTP/1.1 299 Odd\r\nContent-Length: 5\r\n\r\nhello"),
    ];

    private static IEnumerable<ReplyCase> Framing() =>
    [
        Bad("Content-Length +5", Answer("Content-Length: +5")),
        Bad("Content-Length -5", Answer("Content-Length: -5")),
        Bad("Content-Length empty", Answer("Content-Length:")),
        Bad("Content-Length in hexadecimal", Answer("Content-Length: 0x5")),
        Bad("Content-Length a list", Answer("Content-Length: 5, 6")),
        Bad("Content-Length twice, different", Answer("Content-Length: 5\r\nContent-Length: 6")),
        Bad("Content-Length 2^63", Answer("Content-Length: 9223372036854775808")),
        Bad("Content-Length 2^64 and 5", Answer("Content-Length: 18446744073709551621")),
        Bad("Content-Length and chunks", Answer("Content-Length: 5\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")),
        Bad("gzip, chunked", Answer("Transfer-Encoding: gzip, chunked", "5\r\nhello\r\n0\r\n\r\n")),
        Bad("chunked, chunked", Answer("Transfer-Encoding: chunked, chunked", "5\r\nhello\r\n0\r\n\r\n")),
        Bad("chunked, gzip", Answer("Transfer-Encoding: chunked, gzip", "5\r\nhello\r\n0\r\n\r\n")),
        Bad("xchunked", Answer("Transfer-Encoding: xchunked", "5\r\nhello\r\n0\r\n\r\n")),
        Bad("a vertical tab before chunked", Answer("Transfer-Encoding: \x0b" + "chunked", "5\r\nhello\r\n0\r\n\r\n")),
        Bad("Transfer-Encoding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ReplyCase.Either("answer: Content-Length twice, equal", Answer("Content-Length: 5\r\nContent-Length: 5"), Answer("Content-Length: 5")),
        Good("Content-Length with zeros first", Answer("Content-Length: 005")),
        Good("chunks", Answer("Transfer-Encoding: Chunked", "5\r\nhello\r\n0\r\n\r\n")),
        Good("an end of the connection as the end of the body", Answer("X: y")),
        Good("an end of the connection in HTTP/1.0", "HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello"),
        Good("a length in HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        Good("a length and close", Answer("Content-Length: 5\r\nConnection: close")),
        Good("nothing", Answer("Content-Length: 0", "")),
        Good("every byte", Answer("Content-Length: 256", new string([.. Enumerable.Range(0, 256).Select(value => (char)value)]))),
        Good("1 MiB", Answer("Content-Length: 1048576", new string('x', 1 << 20))),
    ];

    private static IEnumerable<ReplyCase> Fields() =>
    [
        Bad("a bracket in a name", Answer("Bad[Name: x\r\nContent-Length: 5")),
        Bad("an empty name", Answer(": x\r\nContent-Length: 5")),
        Bad("a space in a name", Answer("Na me: x\r\nContent-Length: 5")),
        Bad("no colon", Answer("Name\r\nContent-Length: 5")),
        Bad("a folded line", Answer("Name: x\r\n y\r\nContent-Length: 5")),
        Bad("a bare CR in a value", Answer("Name: x\ry\r\nContent-Length: 5")),
        Bad("a bare LF in a value", Answer("Name: x\nSet-Cookie: evil=1\r\nContent-Length: 5")),
        Bad("LF as every line end", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        Bad("LF as the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
        Bad("a space before the first field", "HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 5\r\n\r\nhello"),
        .. Controls.Select(control => Bad($"control byte 0x{(int)control:x2} in a value", Answer($"Name: x{control}y\r\nContent-Length: 5"))),
        .. Controls.Select(control => Bad($"control byte 0x{(int)control:x2} in a name", Answer($"Na{control}me: y\r\nContent-Length: 5"))),
        Bad("a head of 300 KiB", Answer($"{string.Concat(Enumerable.Range(0, 3000).Select(i => $"X-{i}: {new string('x', 90)}\r\n"))}Content-Length: 5")),
        Bad("a head without an end", $"HTTP/1.1 200 OK\r\n{string.Concat(Enumerable.Repeat("a: b\r\n", 100_000))}"),
        ReplyCase.Either("answer: a space before the colon", Answer("Name : x\r\nContent-Length: 5"), Answer("Name: x\r\nContent-Length: 5")),
        Good("bytes beyond ASCII in a value", Answer("Name: D\xfcsseldorf\r\nContent-Length: 5")),
        Good("a tab in a value", Answer("Name: x\ty\r\nContent-Length: 5")),
        Good("an empty value", Answer("Name:\r\nContent-Length: 5")),
        Good("two cookies", Answer("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 5")),
        Good("a field that Connection names is dropped", Answer("Secret: x\r\nConnection: Secret\r\nContent-Length: 5")),
        Good("a cookie of 4,000 bytes", Answer($"Set-Cookie: a={new string('c', 4000)}\r\nContent-Length: 5")),
    ];

    private static IEnumerable<ReplyCase> Chunks() =>
    [
        Chunked("size with a plus", "+5\r\nhello\r\n0\r\n\r\n"),
        Chunked("size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        Chunked("size with a space behind", "5 \r\nhello\r\n0\r\n\r\n"),
        Chunked("no size", "\r\nhello\r\n0\r\n\r\n"),
        Chunked("size 2^64 and 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        Chunked("size 2^63", "8000000000000000\r\nhello\r\n0\r\n\r\n"),
        Chunked("LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        Chunked("an empty extension", "5;\r\nhello\r\n0\r\n\r\n"),
        Chunked("a bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        Chunked("a bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        Chunked("a byte behind a chunk", "5\r\nhelloX\r\n0\r\n\r\n"),
        Chunked("LF behind a chunk", "5\r\nhello\n0\r\n\r\n"),
        Chunked("LF as the last line", "5\r\nhello\r\n0\r\n\n"),
        Chunked("a trailer that frames", "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
        Chunked("a bad trailer", "5\r\nhello\r\n0\r\nBad[Name: x\r\n\r\n"),
        Chunked("a NUL in a trailer", "5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n"),
        Chunked("good extensions", "5;a;b=c;d=\"e f\"\r\nhello\r\n0;g\r\n\r\n"),
        Chunked("a trailer", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        Chunked("1,000 chunks", string.Concat(Enumerable.Repeat("1\r\nx\r\n", 1000)) + "0\r\n\r\n"),
    ];

    private static IEnumerable<ReplyCase> Ends() =>
    [
        Bad("an end before a byte", "") with { Ends = true },
        Good("an end inside the status line", "HTTP/1.1 20"),
        Good("an end inside the head", "HTTP/1.1 200 OK\r\nContent-Le"),
        Good("an end inside a length's body", Answer("Content-Length: 50")),
        Good("an end inside a chunk", Answer("Transfer-Encoding: chunked", "50\r\nhello")),
        Good("an end behind a chunk", Answer("Transfer-Encoding: chunked", "5\r\nhello\r\n")),
        Good("an end before the last line", Answer("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n")),
        Good("a byte behind the body", Answer("Content-Length: 5", "hello!")),
        Good("an answer that nobody asked for behind the body", Answer("Content-Length: 5") + Answer("Content-Length: 4", "evil")),
        Good("an answer that nobody asked for behind chunks", Answer("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n") + Answer("Content-Length: 4", "evil")),
        Good("a body behind 204", "HTTP/1.1 204 No Content\r\n\r\nhello"),
        Good("a body behind 304", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\nhello"),
        Good("a length in 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        Good("a body behind the answer to HEAD", Answer("Content-Length: 5"), "HEAD"),
        Good("an answer to HEAD", Answer("Content-Length: 5", ""), "HEAD"),
        Good("103 before the answer", "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" + Answer("Content-Length: 5")),
        Good("100 before the answer, unasked", "HTTP/1.1 100 Continue\r\n\r\n" + Answer("Content-Length: 5")),
        Good("five interim answers", string.Concat(Enumerable.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 5)) + Answer("Content-Length: 5")),
        Good("an interim answer and an end", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    ];

    private static string Answer(string fields, string body = "hello") => $"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}";

    private static ReplyCase Bad(string name, string reply) => ReplyCase.Bad($"answer: {name}", reply);

    private static ReplyCase Good(string name, string reply, string method = "GET") => ReplyCase.Read($"answer: {name}", reply, method);

    private static ReplyCase Chunked(string name, string chunks) => ReplyCase.Read($"answer in chunks: {name}", Answer("Transfer-Encoding: chunked", chunks));
}
