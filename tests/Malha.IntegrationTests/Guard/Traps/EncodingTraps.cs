using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>Transfer-Encoding: RFC 9112, 6.1 and 7.</summary>
internal static class EncodingTraps
{
    private const string Chunks = "5\r\nhello\r\n0\r\n\r\n";

    public static IEnumerable<GuardCase> All() =>
    [
        Refuse("gzip before chunked", "gzip, chunked"),
        Refuse("chunked before gzip", "chunked, gzip"),
        Refuse("chunked twice", "chunked, chunked"),
        Refuse("identity", "identity"),
        Refuse("identity before chunked", "identity, chunked"),
        Refuse("nothing", ""),
        Refuse("a letter before", "xchunked"),
        Refuse("a letter behind", "chunkedx"),
        Refuse("a letter missing", "chunke"),
        Refuse("a hyphen", "chunked-"),
        Refuse("a vertical tab before", "\x0b" + "chunked"),
        Refuse("a vertical tab behind", "chunked\x0b"),
        Refuse("a form feed before", "\x0c" + "chunked"),
        Refuse("a NUL before", "\0chunked"),
        Refuse("a NUL behind", "chunked\0"),
        Refuse("a non-breaking space before", "\xa0" + "chunked"),
        Refuse("double quotes", "\"chunked\""),
        Refuse("single quotes", "'chunked'"),
        Refuse("a parameter", "chunked;q=1"),
        Refuse("a semicolon", "chunked;"),
        Refuse("two words", "chunked gzip"),
        Refuse("a word that has it", "not-chunked"),
        Refuse("a Kelvin sign for k", "chun\xe2\x84\xaa" + "ed"),
        GuardCase.Refuse("Transfer-Encoding twice, both chunked", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding twice, the second identity", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")),
        GuardCase.Refuse("Transfer-Encoding twice, the first gzip", Post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding twice, the second nonsense", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n")),
        GuardCase.Refuse("Transfer-Encoding and a space before the colon", Post("Transfer-Encoding : chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding and a tab before the colon", Post("Transfer-Encoding\t: chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding on a folded line", Post("Transfer-Encoding:\r\n chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding folded into another field", Post("X: y\r\n Transfer-Encoding: chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding behind a bare LF", Post("X: y\nTransfer-Encoding: chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding behind a bare CR", Post("X: y\rTransfer-Encoding: chunked\r\n")),
        GuardCase.Refuse("a CR inside the name Transfer-Encoding", Post("Transfer\r-Encoding: chunked\r\n")),
        GuardCase.Refuse("Transfer-Encoding in HTTP/1.0", $"POST /encoding HTTP/1.0\r\nHost: trap.example\r\nTransfer-Encoding: chunked\r\n\r\n{Chunks}"),
        GuardCase.Refuse(
            "Transfer-Encoding and Content-Length in HTTP/1.0",
            $"POST /encoding HTTP/1.0\r\nHost: trap.example\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n{Chunks}"),
        Either("an empty list element first", ", chunked"),
        Either("an empty list element last", "chunked,"),
        GuardCase.Either("a field named Transfer_Encoding", "POST /encoding HTTP/1.1\r\nHost: trap.example\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),
        GuardCase.Good("chunked", Post("Transfer-Encoding: chunked\r\n")),
        GuardCase.Good("chunked in capitals", Post("Transfer-Encoding: CHUNKED\r\n")),
        GuardCase.Good("chunked without a space", Post("Transfer-Encoding:chunked\r\n")),
        GuardCase.Good("chunked with white space around", Post("Transfer-Encoding: \t chunked \t\r\n")),
        GuardCase.Good("a chunked GET", $"GET /encoding HTTP/1.1\r\nHost: trap.example\r\nTransfer-Encoding: chunked\r\n\r\n{Chunks}"),
        GuardCase.Good("a chunked body of nothing", Post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        GuardCase.Good("TE is no Transfer-Encoding", "GET /encoding HTTP/1.1\r\nHost: trap.example\r\nTE: trailers\r\nConnection: TE\r\n\r\n"),
    ];

    private static string Post(string fields, string body = Chunks) => $"POST /encoding HTTP/1.1\r\nHost: trap.example\r\n{fields}\r\n{body}";

    private static GuardCase Refuse(string name, string value) => GuardCase.Refuse($"Transfer-Encoding: {name}", Post($"Transfer-Encoding: {value}\r\n"), 400, 501);

    private static GuardCase Either(string name, string value) =>
        GuardCase.Either($"Transfer-Encoding: {name}", Post("Transfer-Encoding: chunked\r\n")) with { Bytes = WireText.Bytes(Post($"Transfer-Encoding: {value}\r\n")) };
}
