using System.Globalization;

namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>Content-Length: RFC 9110, 8.6 and RFC 9112, 6.</summary>
internal static class LengthTraps
{
    public static IEnumerable<GuardCase> All() =>
    [
        Refuse("a plus", "+5"),
        Refuse("minus zero", "-0"),
        Refuse("a minus", "-5"),
        Refuse("nothing", ""),
        Refuse("white space only", " \t "),
        Refuse("hexadecimal", "0x5"),
        Refuse("a fraction", "5.0"),
        Refuse("an exponent", "5e0"),
        Refuse("a space inside", "5 5"),
        Refuse("a list of two values", "5, 6"),
        Refuse("a list of two values without a space", "5,6"),
        Refuse("a list with nothing first", ",5"),
        Refuse("a list with nothing last", "5,"),
        Refuse("a parameter", "5;a"),
        Refuse("quotes", "\"5\""),
        Refuse("an underscore", "1_0"),
        Refuse("a vertical tab before", "\x0b" + "5"),
        Refuse("a form feed behind", "5\x0c"),
        Refuse("a NUL behind", "5\0"),
        Refuse("a fullwidth digit", "\xef\xbc\x95"),
        Refuse("a non-breaking space before", "\xa0" + "5"),
        Refuse("2^63", "9223372036854775808"),
        Refuse("2^64", "18446744073709551616"),
        Refuse("2^64 and 5, which wraps to 5", "18446744073709551621"),
        Refuse("2^32 digits' worth of nines", new string('9', 400)),
        Either("a list of two equal values", "5, 5", 5),
        Either("leading zeros beyond any integer's width", new string('0', 40) + "5", 5),
        GuardCase.Either("Content-Length 2^63 - 1 and an early end", Post("Content-Length: 9223372036854775807\r\n")),
        GuardCase.Refuse("Content-Length twice, different", Post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
        GuardCase.Refuse("Content-Length twice, the first empty", Post("Content-Length:\r\nContent-Length: 5\r\n"), 400),
        EitherFields("Content-Length twice, equal", "Content-Length: 5\r\nContent-Length: 5\r\n", 5),
        GuardCase.Refuse("Content-Length and a chunked body", Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
        GuardCase.Refuse("a chunked body and Content-Length", Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400),
        GuardCase.Refuse("Content-Length 0 and a chunked body", Post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), 400),
        GuardCase.Refuse("Content-Length and Transfer-Encoding identity", Post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n")),
        GuardCase.Good("Content-Length 5", Post("Content-Length: 5\r\n")),
        GuardCase.Good("Content-Length 0", Post("Content-Length: 0\r\n", "")),
        GuardCase.Good("Content-Length with leading zeros", Post("Content-Length: 005\r\n")),
        GuardCase.Good("Content-Length in another case", Post("cOnTeNt-LeNgTh: 5\r\n")),
        GuardCase.Good("Content-Length with white space around", Post("Content-Length: \t 5\t \r\n")),
        GuardCase.Good("Content-Length without a space", Post("Content-Length:5\r\n")),
        GuardCase.Good("POST without a length has no body", Post("", "")),
        GuardCase.Good("GET with a body", "GET /length HTTP/1.1\r\nHost: trap.example\r\nContent-Length: 5\r\n\r\nhello"),
        GuardCase.Good("a body of every byte", Post("Content-Length: 256\r\n", new string([.. Enumerable.Range(0, 256).Select(value => (char)value)]))),
        GuardCase.Good("a body that looks like a request", Post("Content-Length: 39\r\n", "GET /evil HTTP/1.1\r\nHost: evil.example\r\n"[..39])),
        GuardCase.Good("a body shorter than its length", Post("Content-Length: 50\r\n")),
    ];

    private static string Post(string fields, string body = "hello") => $"POST /length HTTP/1.1\r\nHost: trap.example\r\n{fields}\r\n{body}";

    private static GuardCase Refuse(string name, string value) => GuardCase.Refuse($"Content-Length: {name}", Post($"Content-Length: {value}\r\n"), 400, 413);

    private static GuardCase Either(string name, string value, int meaning) => EitherFields($"Content-Length: {name}", $"Content-Length: {value}\r\n", meaning);

    /// <summary>May be refused; else it means the same as one plain Content-Length.</summary>
    private static GuardCase EitherFields(string name, string fields, int meaning) =>
        GuardCase.Either(name, Post($"Content-Length: {meaning.ToString(CultureInfo.InvariantCulture)}\r\n")) with { Bytes = Harness.WireText.Bytes(Post(fields)) };
}
