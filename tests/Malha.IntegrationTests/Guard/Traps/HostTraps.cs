namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>Host and the absolute form: RFC 9112, 3.2; RFC 9110, 4.2 and 7.2; RFC 3986, 3.2.</summary>
internal static class HostTraps
{
    public static IEnumerable<GuardCase> All() =>
    [
        GuardCase.Refuse("no Host", "GET /host HTTP/1.1\r\n\r\n", 400),
        GuardCase.Refuse("no Host but other fields", "GET /host HTTP/1.1\r\nAccept: */*\r\n\r\n", 400),
        GuardCase.Refuse("Host twice, equal", "GET /host HTTP/1.1\r\nHost: trap.example\r\nHost: trap.example\r\n\r\n", 400),
        GuardCase.Refuse("Host twice, different", "GET /host HTTP/1.1\r\nHost: trap.example\r\nHost: evil.example\r\n\r\n", 400),
        GuardCase.Refuse("Host twice, in different cases", "GET /host HTTP/1.1\r\nHost: trap.example\r\nhOST: evil.example\r\n\r\n", 400),
        GuardCase.Refuse("Host twice in HTTP/1.0", "GET /host HTTP/1.0\r\nHost: trap.example\r\nHost: evil.example\r\n\r\n", 400),
        GuardCase.Refuse("Host with a space before the colon", "GET /host HTTP/1.1\r\nHost : trap.example\r\n\r\n", 400),
        GuardCase.Refuse("Host with a space before the colon, then Host", "GET /host HTTP/1.1\r\nHost : evil.example\r\nHost: trap.example\r\n\r\n", 400),
        Refuse("empty", ""),
        Refuse("white space", "  "),
        Refuse("a user", "user@trap.example"),
        Refuse("a user and a password", "user:password@trap.example"),
        Refuse("a port that is a word", "trap.example:abc"),
        Refuse("a negative port", "trap.example:-1"),
        Refuse("a port with a letter", "trap.example:80x"),
        Refuse("two ports", "trap.example:80:80"),
        Refuse("only a port", ":80"),
        Refuse("a path", "trap.example/path"),
        Refuse("a query", "trap.example?query"),
        Refuse("a fragment", "trap.example#fragment"),
        Refuse("a backslash", "trap.example\\evil"),
        Refuse("a scheme", "http://trap.example"),
        Refuse("two names with a space", "trap.example evil.example"),
        Refuse("two names with a comma and a space", "trap.example, evil.example"),
        Refuse("a tab inside", "trap\t.example"),
        Refuse("a NUL", "trap\0.example"),
        Refuse("a bad escape", "trap%zz.example"),
        Refuse("UTF-8", "tr\xc3\xa4p.example"),
        Refuse("angle brackets", "<trap.example>"),
        Refuse("an open bracket", "[::1"),
        Refuse("no brackets around IPv6", "::1"),
        Refuse("a word in brackets", "[trap]"),
        Refuse("something behind the bracket", "[::1]x"),
        Either("a port above 65535", "trap.example:99999"),
        Either("a comma inside", "trap.example,evil.example"),
        Either("a colon without a port", "trap.example:"),
        Either("an escape", "trap%2dx.example"),
        Good("a port", "trap.example:8080"),
        Good("port 80", "trap.example:80"),
        Good("capitals", "TRAP.Example"),
        Good("a dot at the end", "trap.example."),
        Good("an underscore", "trap_1.example"),
        Good("IPv4", "127.0.0.1"),
        Good("IPv6", "[::1]"),
        Good("IPv6 and a port", "[2001:db8::1]:8080"),
        Good("white space around", " \ttrap.example\t "),
        GuardCase.Good("no Host in HTTP/1.0", "GET /host HTTP/1.0\r\n\r\n"),
        Refused("absolute form that contradicts Host", "GET http://evil.example/host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Refused("absolute form that contradicts Host's port", "GET http://trap.example:81/host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Refused("absolute form without Host", "GET http://trap.example/host HTTP/1.1\r\n\r\n"),
        Refused("absolute form with an empty Host", "GET http://trap.example/host HTTP/1.1\r\nHost:\r\n\r\n"),
        Refused("absolute form with a user", "GET http://user@trap.example/host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Refused("absolute form with a user, in both", "GET http://user@trap.example/host HTTP/1.1\r\nHost: user@trap.example\r\n\r\n"),
        Refused("absolute form without an authority", "GET http:///host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Refused("absolute form with one slash", "GET http:/host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Refused("absolute form of another scheme", "GET ftp://trap.example/host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        Refused("absolute form with a bad port", "GET http://trap.example:8x/host HTTP/1.1\r\nHost: trap.example:8x\r\n\r\n"),
        Refused("absolute form with a fragment", "GET http://trap.example/host#a HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Good("absolute form", "GET http://trap.example/host?a=b HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Good("absolute form with a port", "GET http://trap.example:8080/host HTTP/1.1\r\nHost: trap.example:8080\r\n\r\n"),
        GuardCase.Good("absolute form without a path", "GET http://trap.example HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Good("absolute form, a query and no path", "GET http://trap.example?a=b HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Good("absolute form of OPTIONS without a path", "OPTIONS http://trap.example HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Good("absolute form, its scheme in capitals", "GET HTTP://trap.example/host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Good("absolute form in HTTP/1.0 without Host", "GET http://trap.example/host HTTP/1.0\r\n\r\n"),
        GuardCase.Either("absolute form and Host in different cases", "GET http://TRAP.example/host HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
    ];

    private static string Get(string host) => $"GET /host HTTP/1.1\r\nHost: {host}\r\n\r\n";

    private static GuardCase Refuse(string name, string host) => Refused($"Host: {name}", Get(host));

    private static GuardCase Refused(string name, string request) => GuardCase.Refuse(name, request, 400, 421);

    private static GuardCase Good(string name, string host) => GuardCase.Good($"Host: {name}", Get(host));

    private static GuardCase Either(string name, string host) => GuardCase.Either($"Host: {name}", Get(host));
}
