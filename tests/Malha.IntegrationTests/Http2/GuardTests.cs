using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2;

/// <summary>What HTTP/2 can say and HTTP/1.1 cannot: none of it reaches an endpoint as something else than one request.</summary>
public sealed class GuardTests
{
    private const string Good = "200 GET / HTTP";

    /// <summary>Name, fields after the pseudo fields or instead of them, and how the stream ends: what the answer begins with.</summary>
    public static TheoryData<string, string[], string> Heads => new()
    {
        { "good", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/"], "200" },
        { "host alone", [":method=GET", ":scheme=http", ":path=/", "host=shop.example"], "200" },
        { "obs-text in a value", [.. Root, "x-name=caf\u00e9"], "200" },
        { "te: trailers", [.. Root, "te=trailers"], "200" },
        { "line end in a value", [.. Root, "x-a=b\r\nx-evil: 1"], "refused" },
        { "line feed in a value", [.. Root, "x-a=b\nx-evil: 1"], "refused" },
        { "carriage return in a value", [.. Root, "x-a=b\rc"], "refused" },
        { "NUL in a value", [.. Root, "x-a=b\0c"], "refused" },
        { "control in a value", [.. Root, "x-a=b\u0001c"], "refused" },
        { "line end in a name", [.. Root, "x-a\r\nx-evil=1"], "refused" },
        { "colon in a name", [.. Root, "x-a:b=1"], "refused" },
        { "space in a name", [.. Root, "x a=1"], "refused" },
        { "upper case in a name", [.. Root, "X-Upper=1"], "refused" },
        { "empty name", [.. Root, "=1"], "refused" },
        { "line end in the path", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/ HTTP/1.1\r\nx-evil: 1"], "refused" },
        { "space in the path", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/a b"], "refused" },
        { "dot segments in the path", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/a/../b"], "refused" },
        { "encoded dot segments in the path", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/a/%2e%2e/b"], "refused" },
        { "fragment in the path", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/a#b"], "refused" },
        { "absolute path", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=http://other.example/"], "refused" },
        { "path without slash", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=admin"], "refused" },
        { "empty path", [":method=GET", ":scheme=http", ":authority=shop.example", ":path="], "refused" },
        { "asterisk for GET", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=*"], "refused" },
        { "no path", [":method=GET", ":scheme=http", ":authority=shop.example"], "refused" },
        { "no method", [":scheme=http", ":authority=shop.example", ":path=/"], "refused" },
        { "no scheme", [":method=GET", ":authority=shop.example", ":path=/"], "refused" },
        { "another scheme", [":method=GET", ":scheme=https", ":authority=shop.example", ":path=/"], "refused" },
        { "scheme with a line", [":method=GET", ":scheme=http\r\nx-evil: 1", ":authority=shop.example", ":path=/"], "refused" },
        { "line end in the method", [":method=GET / HTTP/1.1\r\nx-evil: 1", ":scheme=http", ":authority=shop.example", ":path=/"], "refused" },
        { "two paths", [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/", ":path=/admin"], "refused" },
        { "two authorities", [":method=GET", ":scheme=http", ":authority=shop.example", ":authority=other.example", ":path=/"], "refused" },
        { "user in the authority", [":method=GET", ":scheme=http", ":authority=root@shop.example", ":path=/"], "refused" },
        { "list in the authority", [":method=GET", ":scheme=http", ":authority=shop.example,other.example", ":path=/"], "refused" },
        { "line end in the authority", [":method=GET", ":scheme=http", ":authority=shop.example\r\nx-evil: 1", ":path=/"], "refused" },
        { "no authority and no host", [":method=GET", ":scheme=http", ":path=/"], "refused" },
        { "two hosts", [":method=GET", ":scheme=http", ":path=/", "host=a.example", "host=b.example"], "refused" },
        { "pseudo field after a field", [":method=GET", ":scheme=http", "x-a=1", ":path=/", ":authority=shop.example"], "refused" },
        { "unknown pseudo field", [.. Root, ":evil=1"], "refused" },
        { "pseudo field of an answer", [":status=200", .. Root], "refused" },
        { "connection", [.. Root, "connection=close"], "refused" },
        { "connection that names a field", [.. Root, "connection=x-api-key", "x-api-key=1"], "refused" },
        { "keep-alive", [.. Root, "keep-alive=timeout=5"], "refused" },
        { "proxy-connection", [.. Root, "proxy-connection=close"], "refused" },
        { "transfer-encoding", [.. Root, "transfer-encoding=chunked"], "refused" },
        { "upgrade", [.. Root, "upgrade=websocket"], "refused" },
        { "te: gzip", [.. Root, "te=gzip"], "refused" },
        { "two lengths", [.. Root, "content-length=0", "content-length=5"], "refused" },
        { "length that is no number", [.. Root, "content-length=+5"], "refused" },
        { "length of a body that does not come", [.. Root, "content-length=5"], "refused" },
        { "CONNECT", [":method=CONNECT", ":authority=shop.example:443"], "refused" },
        { "CONNECT for something else", [":method=CONNECT", ":protocol=connect-udp", ":scheme=http", ":authority=shop.example", ":path=/"], "refused" },
        { "protocol without CONNECT", [.. Root, ":protocol=websocket"], "refused" },
    };

    private static string[] Root => [":method=GET", ":scheme=http", ":authority=shop.example", ":path=/"];

    [Theory]
    [MemberData(nameof(Heads))]
    public async Task Head_is_one_request_or_none(string name, string[] fields, string expected)
    {
        var seen = new List<WireRequest>();
        await using var origin = ScriptedOrigin.Answering(request =>
        {
            lock (seen)
                seen.Add(request);
            return ScriptedOrigin.Answer("hello");
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        var pairs = fields.Select(field => (field[..field.IndexOf('=', StringComparison.Ordinal)], field[(field.IndexOf('=', StringComparison.Ordinal) + 1)..])).ToArray();
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Fields(pairs));
        var answer = await client.AnswerAsync(1);
        if (expected == "refused")
        {
            Assert.True(answer.StartsWith('4') || answer.StartsWith("reset", StringComparison.Ordinal) || answer.StartsWith("goaway", StringComparison.Ordinal), $"{name}: {answer}");
            Assert.True(seen.Count == 0, $"{name} reached the endpoint");
            return;
        }
        Assert.True(answer == "200 hello", $"{name}: {answer}");
        var request = Assert.Single(seen);
        Assert.Equal("shop.example", request.Value("Host"));
        Assert.Equal("GET /", $"{request.Method} {request.Target}");
    }

    [Fact]
    public async Task Refusals_of_the_guard_are_problems_like_in_HTTP_1()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Request("GET", "/a/%2e%2e/b"));
        Assert.Contains("\"detail\":\"The path holds a dot segment.\"", await client.AnswerAsync(1), StringComparison.Ordinal);
        // Only the stream ends with it.
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 3, H2Peer.Request("GET", "/next"));
        Assert.StartsWith("200 GET /next", await client.AnswerAsync(3), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Head_that_is_too_large_or_has_too_many_fields_ends_its_stream_only()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: "maxHeaderSize: 4KiB, maxHeaders: 20");
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Request("GET", "/", ("x-large", new string('x', 5_000))));
        Assert.StartsWith("431", await client.AnswerAsync(1), StringComparison.Ordinal);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 3, H2Peer.Request("GET", "/", [.. Enumerable.Range(0, 30).Select(number => ($"x-{number}", "1"))]));
        Assert.Contains("\"status\":431,\"detail\":\"The message has more headers", await client.AnswerAsync(3), StringComparison.Ordinal);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 5, H2Peer.Request("GET", "/next"));
        Assert.StartsWith("200 GET /next", await client.AnswerAsync(5), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cookie_crumbs_are_one_field_and_what_is_added_is_what_HTTP_1_gets()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Request("GET", "/?q=%41", ("cookie", "a=1"), ("cookie", "b=2"), ("x-twice", "1"), ("x-twice", "2")));
        var answer = await client.AnswerAsync(1);
        Assert.Contains("GET /?q=%41\n", answer, StringComparison.Ordinal);
        Assert.Contains("Cookie: a=1; b=2\n", answer, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("x-twice: 1\nx-twice: 2\n", answer, StringComparison.Ordinal);
        Assert.Contains("Via: 2.0 malha\n", answer, StringComparison.Ordinal);
        Assert.Contains("X-Forwarded-Proto: http\n", answer, StringComparison.Ordinal);
        Assert.Contains("Forwarded: for=127.0.0.1;proto=http;host=\"shop.example\"\n", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("Transfer-Encoding", answer, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("Content-Length", answer, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("5", "hello, world")]
    [InlineData("50", "hello")]
    public async Task Length_that_lies_never_makes_a_whole_request(string length, string body)
    {
        var seen = 0;
        await using var origin = ScriptedOrigin.Answering(_ =>
        {
            seen++;
            return ScriptedOrigin.Answer("hello");
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders, 1, H2Peer.Request("POST", "/", ("content-length", length)));
        await client.SendAsync(H2Peer.Data, H2Peer.EndStream, 1, WireText.Bytes(body));
        Assert.StartsWith("reset", await client.AnswerAsync(1), StringComparison.Ordinal);
        Assert.Equal(0, seen);
    }

    [Fact]
    public async Task Trailers_of_a_request_reach_the_endpoint_and_forbidden_ones_do_not()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders, 1, H2Peer.Request("POST", "/"));
        await client.SendAsync(H2Peer.Data, 0, 1, "body"u8);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Fields(("x-sum", "42")));
        var answer = await client.AnswerAsync(1);
        Assert.Contains("x-sum: 42\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("\nbody", answer, StringComparison.Ordinal);

        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders, 3, H2Peer.Request("POST", "/"));
        await client.SendAsync(H2Peer.Data, 0, 3, "body"u8);
        await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 3, H2Peer.Fields(("content-length", "1")));
        Assert.DoesNotContain("200", await client.AnswerAsync(3), StringComparison.Ordinal);
    }
}
