using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>The request line: methods, versions and the spaces between them. RFC 9112, 2.3 and 3; RFC 9110, 2.5 and 9.1.</summary>
internal static class LineTraps
{
    public static IEnumerable<GuardCase> All() =>
    [
        Refuse("HTTP/0.9 without a version", "GET /line"),
        GuardCase.Refuse("HTTP/0.9, one line", "GET /line\r\n"),
        Refuse("HTTP/0.9 in words", "GET /line HTTP/0.9"),
        Refuse("HTTP/2.0", "GET /line HTTP/2.0"),
        Refuse("HTTP/3.0", "GET /line HTTP/3.0"),
        Refuse("HTTP/9.9", "GET /line HTTP/9.9"),
        Refuse("no minor version", "GET /line HTTP/1"),
        Refuse("an empty minor version", "GET /line HTTP/1."),
        Refuse("no major version", "GET /line HTTP/.1"),
        Refuse("two digits behind the dot", "GET /line HTTP/1.10"),
        Refuse("two digits before the dot", "GET /line HTTP/11.1"),
        Refuse("a zero before the version", "GET /line HTTP/01.1"),
        Refuse("a minus in the version", "GET /line HTTP/-1.1"),
        Refuse("a comma in the version", "GET /line HTTP/1,1"),
        Refuse("a letter behind the version", "GET /line HTTP/1.1x"),
        Refuse("small letters", "GET /line http/1.1"),
        Refuse("another protocol", "GET /line XTTP/1.1"),
        Refuse("no slash in the version", "GET /line HTTP1.1"),
        Refuse("a space in the version", "GET /line HTTP /1.1"),
        Refuse("a space behind the version", "GET /line HTTP/1.1 "),
        Refuse("a NUL in the version", "GET /line HTTP/1.1\0"),
        Refuse("two versions", "GET /line HTTP/1.1 HTTP/1.1"),
        Refuse("two spaces before the target", "GET  /line HTTP/1.1"),
        Refuse("two spaces before the version", "GET /line  HTTP/1.1"),
        Refuse("a tab before the target", "GET\t/line HTTP/1.1"),
        Refuse("a tab before the version", "GET /line\tHTTP/1.1"),
        Refuse("a vertical tab before the version", "GET /line\x0bHTTP/1.1"),
        Refuse("a space first", " GET /line HTTP/1.1"),
        Refuse("no method", "/line HTTP/1.1"),
        Refuse("an empty method", " /line HTTP/1.1"),
        Refuse("only a method", "GET"),
        Refuse("a parenthesis in the method", "GE(T /line HTTP/1.1"),
        Refuse("a NUL in the method", "GE\0T /line HTTP/1.1"),
        Refuse("a byte beyond ASCII in the method", "G\xc9T /line HTTP/1.1"),
        Refuse("quotes around the method", "\"GET\" /line HTTP/1.1"),
        Refuse("a colon in the method", "GET: /line HTTP/1.1"),
        Refuse("an answer", "HTTP/1.1 200 OK"),
        GuardCase.Refuse("a TLS greeting", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + new string('x', 60)),
        GuardCase.Refuse("rubbish", "\x01\x02\x03\xff\xfe rubbish \x80\x81\r\n\r\n"),
        Either("HTTP/1.2 is read as 1.1 or refused", "GET /line HTTP/1.2"),
        Either("HTTP/1.9 is read as 1.1 or refused", "GET /line HTTP/1.9"),
        GuardCase.Either("a method of 300 letters", $"{new string('M', 300)} /line HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Either("TRACE", "TRACE /line HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Good("HTTP/1.1", "GET /line HTTP/1.1"),
        Good("HTTP/1.0 with Host", "GET /line HTTP/1.0"),
        Good("a method that nobody knows", "FROBNICATE /line HTTP/1.1"),
        Good("a method in small letters", "get /line HTTP/1.1"),
        Good("a method with a hyphen", "M-SEARCH /line HTTP/1.1"),
        Good("every letter that a method may have", "!#$%&'*+-.^_`|~09azAZ /line HTTP/1.1"),
        Good("HEAD", "HEAD /line HTTP/1.1"),
        Good("OPTIONS", "OPTIONS /line HTTP/1.1"),
        Good("DELETE", "DELETE /line HTTP/1.1"),
        Good("QUERY", "QUERY /line HTTP/1.1"),
        GuardCase.Good("HTTP/1.0 that keeps the connection", "GET /line HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        GuardCase.Good("HTTP/1.0 with a body", "POST /line HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"),
        GuardCase.Good("HTTP/1.0, its second request is not answered", "GET /line HTTP/1.0\r\n\r\nGET /second HTTP/1.0\r\n\r\n"),
    ];

    private static string Request(string line) => $"{line}\r\nHost: trap.example\r\n\r\n";

    private static GuardCase Refuse(string name, string line) => GuardCase.Refuse($"line: {name}", Request(line), 400, 405, 501, 505);

    private static GuardCase Good(string name, string line) => GuardCase.Good($"line: {name}", Request(line));

    private static GuardCase Either(string name, string line) =>
        GuardCase.Either($"line: {name}", Request("GET /line HTTP/1.1")) with { Bytes = WireText.Bytes(Request(line)) };
}
