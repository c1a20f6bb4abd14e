namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>Several requests at once: RFC 9112, 9.3.2 and 9.6. Each answered, in order, up to a bad one or the end.</summary>
internal static class PipelineTraps
{
    private const string First = "GET /first HTTP/1.1\r\nHost: trap.example\r\n\r\n";
    private const string Second = "GET /second HTTP/1.1\r\nHost: other.example\r\n\r\n";
    private const string Post = "POST /post HTTP/1.1\r\nHost: trap.example\r\nContent-Length: 5\r\n\r\nhello";
    private const string Chunked = "POST /chunked HTTP/1.1\r\nHost: trap.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    private const string Head = "HEAD /head HTTP/1.1\r\nHost: trap.example\r\n\r\n";

    public static IEnumerable<GuardCase> All() =>
    [
        Good("two", First + Second),
        Good("bodies between", Post + First + Chunked + Second + Post),
        Good("HEAD between", First + Head + Second + Head),
        Good("20", string.Concat(Enumerable.Range(0, 20).Select(i => $"GET /{i} HTTP/1.1\r\nHost: trap.example\r\n\r\n"))),
        Good("an empty line between", Post + "\r\n" + First),
        Good("a good one, then one without Host", First + "GET /bad HTTP/1.1\r\n\r\n"),
        Good("a good one, then two lengths", First + "POST /bad HTTP/1.1\r\nHost: trap.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        Good("a good one, then rubbish", Post + "rubbish\r\n\r\n"),
        Good("a good one, then a bad one, then a good one", First + "GET /bad HTTP/1.1\r\n\r\n" + Second),
        Good("a body, then the body's bytes again", Post + "hello\r\n\r\n" + First),
        Good("a good one, then half a head", First + "GET /half HTTP/1.1\r\nHost: trap"),
        Good("a good one, then half a body", First + "POST /half HTTP/1.1\r\nHost: trap.example\r\nContent-Length: 50\r\n\r\nhello"),
        Good("close, then another", "GET /last HTTP/1.1\r\nHost: trap.example\r\nConnection: close\r\n\r\n" + Second),
        Good("close, then rubbish", "GET /last HTTP/1.1\r\nHost: trap.example\r\nConnection: close\r\n\r\nrubbish\r\n\r\n"),
        Good("a body without waiting for 100", "POST /expect HTTP/1.1\r\nHost: trap.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" + First),
        Good("an offer to upgrade that nobody takes", "GET /upgrade HTTP/1.1\r\nHost: trap.example\r\nConnection: Upgrade\r\nUpgrade: nobody-knows/1\r\n\r\n" + Second),
        GuardCase.Either("another expectation", "GET /expect HTTP/1.1\r\nHost: trap.example\r\nExpect: the-moon\r\n\r\n"),
    ];

    private static GuardCase Good(string name, string requests) => GuardCase.Good($"pipeline: {name}", requests);
}
