using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>Chunked bodies: RFC 9112, 7.1. The extensions' bare line ends are CVE-2025-55315's.</summary>
internal static class ChunkTraps
{
    private const string Hidden = "GET /hidden HTTP/1.1\r\nHost: trap.example\r\n\r\n";

    public static IEnumerable<GuardCase> All() => Refused().Concat(Others());

    private static IEnumerable<GuardCase> Refused() =>
    [
        Refuse("size: a plus", "+5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a minus", "-5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: h behind", "5h\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: nothing", "\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: no hexadecimal letter", "g\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a space before", " 5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a tab before", "\t5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a space behind", "5 \r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a tab behind", "5\t\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a vertical tab behind", "5\x0b\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a NUL behind", "5\0\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: two numbers", "5 5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a comma", "5,5\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: a fraction", "5.0\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: 2^64 and 5, which wraps to 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: 2^64 - 1", "FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: 2^63", "8000000000000000\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: 2^32 and 5 zeros long", "100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n"),
        Refuse("size: minus zero last", "5\r\nhello\r\n-0\r\n\r\n"),
        Refuse("line end: LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        Refuse("line end: CR behind the size", "5\rhello\r\n0\r\n\r\n"),
        Refuse("line end: CR CR LF behind the size", "5\r\r\nhello\r\n0\r\n\r\n"),
        Refuse("line end: LF behind the last size", "5\r\nhello\r\n0\n\r\n"),
        Refuse("line end: LF LF at the end", "5\r\nhello\r\n0\n\n"),
        Refuse("line end: LF as the last line", "5\r\nhello\r\n0\r\n\n"),
        Refuse("extension: nothing", "5;\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: a space", "5; \r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: two semicolons", "5;;a\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: a semicolon behind", "5;a;\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: no name", "5;=b\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: no value", "5;a=\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: two equal signs", "5;a=b=c\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: a space inside", "5;a b\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: an open quote", "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: something behind the quote", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: NUL first", "5;\0ext\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: NUL inside", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: DEL in quotes", "5;a=\"\x7f\"\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: a control byte in quotes", "5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare LF", "5;\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare LF, then CRLF", "5;\n\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare LF inside a name", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare LF in quotes", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare CR", "5;\rx\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare CR inside a name", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare CR in quotes", "5;a=\"\r\"\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare CR before CRLF", "5;a\r\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: CRLF in quotes", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension: bare LF that hides a request", $"2;\nxx\r\n2f\r\n0\r\n\r\n{Hidden}0\r\n\r\n"),
        Refuse("extension: 100 KiB", $"5;a={new string('b', 100 * 1024)}\r\nhello\r\n0\r\n\r\n"),
        Refuse("extension of the last chunk: nothing", "5\r\nhello\r\n0;\r\n\r\n"),
        Refuse("end: a byte too many", "5\r\nhelloX\r\n0\r\n\r\n"),
        Refuse("end: no line end", "5\r\nhello0\r\n\r\n"),
        Refuse("end: LF", "5\r\nhello\n0\r\n\r\n"),
        Refuse("end: CR", "5\r\nhello\r0\r\n\r\n"),
        Refuse("end: CR and a byte", "5\r\nhello\rX0\r\n\r\n"),
        Refuse("end: two bytes in the line end's place", "5\r\nhelloXX0\r\n\r\n"),
        Refuse("end: a size too small, a request behind", $"2\r\nhello\r\n0\r\n\r\n{Hidden}"),
        Refuse("end: an empty line too many", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        Refuse("no last chunk", "5\r\nhello\r\n\r\n"),
        Refuse("a last chunk and rubbish", "5\r\nhello\r\n0\r\nrubbish\r\n\r\n"),
    ];

    private static IEnumerable<GuardCase> Others() =>
    [
        Either("extension: white space before the semicolon", "5 ;a=b\r\nhello\r\n0\r\n\r\n"),
        Either("extension: white space everywhere it may be", "5 ; a = b\r\nhello\r\n0\r\n\r\n"),
        Either("extension: on 2,000 chunks", string.Concat(Enumerable.Repeat("1;a=bbbbbbbb\r\nx\r\n", 2000)) + "0\r\n\r\n"),
        GuardCase.Either("chunk size: leading zeros beyond any integer's width", Post("5\r\nhello\r\n0\r\n\r\n")) with
        {
            Bytes = WireText.Bytes(Post($"{new string('0', 40)}5\r\nhello\r\n0\r\n\r\n")),
        },
        Good("one", "5\r\nhello\r\n0\r\n\r\n"),
        Good("two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
        Good("a size in capitals", "A\r\n0123456789\r\n0\r\n\r\n"),
        Good("a size in small letters", "a\r\n0123456789\r\n0\r\n\r\n"),
        Good("a size with leading zeros", "0005\r\nhello\r\n0\r\n\r\n"),
        Good("three zeros last", "5\r\nhello\r\n000\r\n\r\n"),
        Good("a chunk of line ends", "4\r\n\r\n\r\n\r\n0\r\n\r\n"),
        Good("a chunk that looks like the end", "5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
        Good("1,000 chunks of a byte", string.Concat(Enumerable.Repeat("1\r\nx\r\n", 1000)) + "0\r\n\r\n"),
        Good("extension: a name", "5;a\r\nhello\r\n0\r\n\r\n"),
        Good("extension: a name and a value", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        Good("extension: a quoted value", "5;a=\"b c;d\"\r\nhello\r\n0\r\n\r\n"),
        Good("extension: a quoted quote", "5;a=\"b\\\"c\\\\\"\r\nhello\r\n0\r\n\r\n"),
        Good("extension: two", "5;a;b=c\r\nhello\r\n0;d=e\r\n\r\n"),
        Good("and the next request", $"5\r\nhello\r\n0\r\n\r\n{Hidden}"),
        Good("a body that never ends", "5\r\nhello\r\n"),
        Good("a chunk that never ends", "5\r\nhel"),
        Good("a last chunk that never ends", "5\r\nhello\r\n0\r\n"),
    ];

    private static string Post(string chunks) => $"POST /chunk HTTP/1.1\r\nHost: trap.example\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}";

    private static GuardCase Refuse(string name, string chunks) => GuardCase.Refuse($"chunk {name}", Post(chunks), 400, 413, 431);

    private static GuardCase Good(string name, string chunks) => GuardCase.Good($"chunk {name}", Post(chunks));

    private static GuardCase Either(string name, string chunks) => GuardCase.Either($"chunk {name}", Post(chunks));
}
