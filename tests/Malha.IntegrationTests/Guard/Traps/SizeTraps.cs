namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>Sizes and counts: RFC 9112, 3 (a server takes 8,000 bytes of request line at least); RFC 6585, 5 (431).</summary>
internal static class SizeTraps
{
    public static IEnumerable<GuardCase> All() =>
    [
        GuardCase.Refuse("a target of 100 KiB", $"GET /{new string('a', 100 * 1024)} HTTP/1.1\r\nHost: trap.example\r\n\r\n", 400, 414, 431),
        GuardCase.Refuse("a query of 100 KiB", $"GET /size?{new string('a', 100 * 1024)} HTTP/1.1\r\nHost: trap.example\r\n\r\n", 400, 414, 431),
        GuardCase.Refuse("a method of 100 KiB", $"{new string('M', 100 * 1024)} /size HTTP/1.1\r\nHost: trap.example\r\n\r\n", 400, 414, 431, 501),
        GuardCase.Refuse("a request line without an end", $"GET /{new string('a', 300 * 1024)}", 400, 414, 431),
        GuardCase.Refuse("a value of 100 KiB", Get($"Name: {new string('a', 100 * 1024)}\r\n"), 400, 413, 431),
        GuardCase.Refuse("a name of 100 KiB", Get($"{new string('N', 100 * 1024)}: a\r\n"), 400, 413, 431),
        GuardCase.Refuse("a Host of 100 KiB", $"GET /size HTTP/1.1\r\nHost: {new string('a', 100 * 1024)}\r\n\r\n", 400, 413, 431),
        GuardCase.Refuse("a head of 300 KiB in small fields", Get(string.Concat(Enumerable.Range(0, 3000).Select(i => $"X-{i}: {new string('x', 90)}\r\n"))), 400, 413, 431),
        GuardCase.Refuse("5,000 tiny fields", Get(string.Concat(Enumerable.Repeat("a: b\r\n", 5000))), 400, 413, 431),
        GuardCase.Refuse("a head without an end", $"GET /size HTTP/1.1\r\nHost: trap.example\r\n{string.Concat(Enumerable.Repeat("a: b\r\n", 50_000))}", 400, 413, 431),
        GuardCase.Either("20,000 empty lines before the request", $"{string.Concat(Enumerable.Repeat("\r\n", 20_000))}{Get("")}"),
        GuardCase.Good("a target of 7,000 bytes", $"GET /{new string('a', 6999)} HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Good("a cookie of 7,000 bytes", Get($"Cookie: {new string('c', 7000)}\r\n")),
        GuardCase.Good("a name of 200 bytes", Get($"{new string('N', 200)}: a\r\n")),
        GuardCase.Good("60 fields of 100 bytes", Get(string.Concat(Enumerable.Range(0, 60).Select(i => $"X-{i}: {new string('x', 90)}\r\n")))),
        GuardCase.Good("a body of 1 MiB", $"POST /size HTTP/1.1\r\nHost: trap.example\r\nContent-Length: 1048576\r\n\r\n{new string('b', 1 << 20)}"),
        GuardCase.Good("a chunk of 1 MiB", $"POST /size HTTP/1.1\r\nHost: trap.example\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n{new string('b', 1 << 20)}\r\n0\r\n\r\n"),
    ];

    private static string Get(string fields) => $"GET /size HTTP/1.1\r\nHost: trap.example\r\n{fields}\r\n";
}
