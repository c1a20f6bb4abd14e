using System.Globalization;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>What is added to, changed in and taken from heads on their way; and answers that need no server.</summary>
public sealed class HeaderTests
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";

    [Fact]
    public async Task Request_goes_on_with_the_clients_fields_and_what_a_proxy_adds()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        var answer = await gateway.AskAsync("GET /a%20b/?q=%C3%A9 HTTP/1.1\r\nhOsT: Shop.Example:8080\r\nX-Mixed-Case: As It Is\r\nCookie: a=b; c=d\r\nX-Empty:\r\nVia: 1.0 first\r\n\r\n");
        var echo = Lines(answer);
        Assert.Equal("GET /a%20b/?q=%C3%A9", echo[0]);
        Assert.Contains("Host: Shop.Example:8080", echo);
        Assert.Contains("X-Mixed-Case: As It Is", echo);
        Assert.Contains("Cookie: a=b; c=d", echo);
        Assert.Contains("X-Empty: ", echo);
        Assert.Contains("Via: 1.0 first, 1.1 malha", echo);
        Assert.Contains("X-Forwarded-For: 127.0.0.1", echo);
        Assert.Contains("X-Forwarded-Proto: http", echo);
        Assert.Contains("X-Forwarded-Host: Shop.Example:8080", echo);
        Assert.Contains("Forwarded: for=127.0.0.1;proto=http;host=\"Shop.Example:8080\"", echo);
        Assert.Equal("1.1 malha", answer.Value("Via"));
        Assert.True(DateTimeOffset.TryParseExact(answer.Value("Date"), "R", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date));
        Assert.InRange(TimeProvider.System.GetUtcNow() - date, TimeSpan.FromSeconds(-2), TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Forwarding_fields_of_a_stranger_are_replaced_and_those_of_a_trusted_proxy_continued()
    {
        await using var origin = ScriptedOrigin.Echoing();
        const string Request = "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.2\r\nX-Forwarded-Proto: https\r\n"
            + "X-Forwarded-Host: outer.example\r\nForwarded: for=203.0.113.7;proto=https\r\n\r\n";
        await using (var strange = TestGateway.Before(origin, listener: "trustedProxies: [ 10.0.0.0/8, \"::1/128\" ]"))
        {
            var echo = Lines(await strange.AskAsync(Request));
            Assert.Contains("X-Forwarded-For: 127.0.0.1", echo);
            Assert.Contains("X-Forwarded-Proto: http", echo);
            Assert.Contains("X-Forwarded-Host: inner", echo);
            Assert.Contains("Forwarded: for=127.0.0.1;proto=http;host=\"inner\"", echo);
            Assert.DoesNotContain("203.0.113.7", string.Join('\n', echo), StringComparison.Ordinal);
        }
        await using (var trusting = TestGateway.Before(origin, listener: "trustedProxies: [ 127.0.0.0/8 ]"))
        {
            var echo = Lines(await trusting.AskAsync(Request));
            Assert.Contains("X-Forwarded-For: 203.0.113.7, 198.51.100.2, 127.0.0.1", echo);
            Assert.Contains("X-Forwarded-Proto: https", echo);
            Assert.Contains("X-Forwarded-Host: outer.example", echo);
            Assert.Contains("Forwarded: for=203.0.113.7;proto=https, for=127.0.0.1;proto=http;host=\"inner\"", echo);
        }
    }

    [Fact]
    public async Task Client_of_a_listener_for_both_families_is_forwarded_as_what_it_is()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "*:0", trustedProxies: [ 127.0.0.1/32, "::1/128" ] } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """);
        const string Request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
        var echo = Lines(await gateway.AskAsync(Request));
        Assert.Contains("X-Forwarded-For: 203.0.113.7, 127.0.0.1", echo);
        Assert.Contains("Forwarded: for=127.0.0.1;proto=http;host=\"a\"", echo);
        if (!FailureTests.HasLoopback6())
            return;
        await using var client = await Peer.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.IPv6Loopback, gateway.Port));
        await client.SendAsync(Request);
        echo = Lines(await client.ReadAnswerAsync());
        Assert.Contains("X-Forwarded-For: 203.0.113.7, ::1", echo);
        Assert.Contains("Forwarded: for=\"[::1]\";proto=http;host=\"a\"", echo);
    }

    [Fact]
    public async Task Fields_of_one_connection_stay_on_it()
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(ScriptedOrigin.Echo(request),
            "Connection: keep-alive, X-Down\r\nKeep-Alive: timeout=5\r\nX-Down: 1\r\nProxy-Authenticate: Basic\r\nX-Stays: 1\r\n"));
        await using var gateway = TestGateway.Before(origin);
        var answer = await gateway.AskAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-up, keep-alive\r\nKeep-Alive: 300\r\nX-Up: 1\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: gzip\r\nX-Kept: 1\r\n\r\n");
        var echo = Lines(answer);
        foreach (var name in new[] { "Connection:", "Keep-Alive:", "X-Up:", "Proxy-", "TE:" })
            Assert.DoesNotContain(echo, line => line.StartsWith(name, StringComparison.OrdinalIgnoreCase));
        Assert.Contains("X-Kept: 1", echo);
        Assert.Null(answer.Value("X-Down"));
        Assert.Null(answer.Value("Keep-Alive"));
        Assert.Equal("1", answer.Value("X-Stays"));
    }

    [Theory]
    [InlineData("my-id-17", true)]
    [InlineData("0123456789abcdef0123456789abcdef", true)]
    [InlineData("two words", false)]
    [InlineData("quote\"", false)]
    [InlineData("", false)]
    public async Task Request_id_is_the_clients_when_it_is_usable_and_the_same_everywhere(string sent, bool keeps)
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(ScriptedOrigin.Echo(request), "X-Request-Id: the-servers-own\r\n"));
        await using var gateway = TestGateway.Before(origin);
        var answer = await gateway.AskAsync($"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: {sent}\r\n\r\n");
        var id = Assert.Single(answer.Values("X-Request-Id"));
        Assert.Contains($"X-Request-Id: {id}", Lines(answer));
        Assert.Equal(keeps, id == sent);
        if (!keeps)
            Assert.Matches("^[0-9a-f]{32}$", id);
        var tooLong = await gateway.AskAsync($"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: {new string('i', 129)}\r\n\r\n");
        Assert.Matches("^[0-9a-f]{32}$", tooLong.Value("X-Request-Id"));
    }

    [Theory]
    [InlineData($"00-{Trace}-00f067aa0ba902b7-01", true)]
    [InlineData($"00-{Trace}-00f067aa0ba902b7-00", true)]
    [InlineData($"cc-{Trace}-00f067aa0ba902b7-01-what-comes-later", true)]
    [InlineData($"ff-{Trace}-00f067aa0ba902b7-01", false)]
    [InlineData($"00-{Trace}-00f067aa0ba902b7-01-more", false)]
    [InlineData("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)]
    [InlineData($"00-{Trace}-0000000000000000-01", false)]
    [InlineData("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false)]
    [InlineData("nonsense", false)]
    public async Task Trace_is_continued_when_its_parent_is_valid_and_begun_otherwise(string parent, bool continues)
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        var echo = Lines(await gateway.AskAsync($"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {parent}\r\ntracestate: vendor=1\r\n\r\n"));
        var line = Assert.Single(echo, line => line.StartsWith("traceparent: ", StringComparison.Ordinal))["traceparent: ".Length..];
        Assert.Matches("^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$", line);
        Assert.Equal(continues, line.Contains(Trace, StringComparison.Ordinal));
        Assert.DoesNotContain("00f067aa0ba902b7", line, StringComparison.Ordinal);
        if (continues)
            Assert.Equal(parent[52..55], line[52..55]);
        Assert.Equal(continues, echo.Contains("tracestate: vendor=1"));
    }

    [Fact]
    public async Task Route_removes_sets_and_adds_fields_both_ways()
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(ScriptedOrigin.Echo(request), "Server: secret/1.0\r\nX-Old: 1\r\nX-Old: 2\r\nVary: a\r\n"));
        await using var gateway = TestGateway.Before(origin, route: """
            headers: { request: { remove: [ cookie ], set: { x-tenant: one, host: inner.example }, add: { x-list: c } },
                       response: { remove: [ server ], set: { x-old: new }, add: { vary: b } } }
            """);
        var answer = await gateway.AskAsync("GET / HTTP/1.1\r\nHost: outer\r\nCookie: a=b\r\nX-Tenant: forged\r\nx-tenant: twice\r\nX-List: a\r\nX-List: b\r\n\r\n");
        var echo = Lines(answer);
        Assert.DoesNotContain(echo, line => line.StartsWith("Cookie", StringComparison.OrdinalIgnoreCase));
        Assert.Single(echo, line => line.StartsWith("x-tenant:", StringComparison.OrdinalIgnoreCase) && line.EndsWith(": one", StringComparison.Ordinal));
        Assert.Single(echo, line => line.StartsWith("host:", StringComparison.OrdinalIgnoreCase) && line.EndsWith(": inner.example", StringComparison.Ordinal));
        Assert.Equal(["a", "b", "c"], echo.Where(line => line.StartsWith("x-list:", StringComparison.OrdinalIgnoreCase)).Select(line => line[8..]));
        Assert.Null(answer.Value("Server"));
        Assert.Equal(["new"], answer.Values("X-Old"));
        Assert.Equal(["a", "b"], answer.Values("Vary"));
    }

    [Fact]
    public async Task Redirect_and_fixed_answer_need_no_server_and_keep_the_connection()
    {
        await using var gateway = TestGateway.Start("""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "http://127.0.0.1:1" ] } }
            routes:
              - { match: { path: /old/** }, redirect: { to: "https://{host}/new{path}{query}", status: 308 } }
              - { match: { path: /health }, respond: { status: 200, body: "fine", headers: { x-by: malha } } }
              - { match: { path: /gone }, respond: { status: 204 } }
              - { match: { path: /service }, service: origin }
            """);
        await using var client = await gateway.ConnectAsync();
        for (var round = 0; round < 3; round++)
        {
            await client.SendAsync("GET /old/a?b=c HTTP/1.1\r\nHost: shop.example:8080\r\n\r\nPOST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                + "HEAD /health HTTP/1.1\r\nHost: a\r\n\r\nGET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
            var redirect = await client.ReadAnswerAsync();
            Assert.Equal((308, "https://shop.example/new/old/a?b=c", "0"), (redirect.Status, redirect.Value("Location"), redirect.Value("Content-Length")));
            var answer = await client.ReadAnswerAsync("POST");
            Assert.Equal((200, "fine", "malha", "text/plain; charset=utf-8"), (answer.Status, WireText.Text(answer.Body), answer.Value("x-by"), answer.Value("Content-Type")));
            Assert.Single(answer.Values("Date"));
            var head = await client.ReadAnswerAsync("HEAD");
            Assert.Equal(("4", 0), (head.Value("Content-Length"), head.Body.Length));
            var gone = await client.ReadAnswerAsync();
            Assert.Equal((204, null), (gone.Status, gone.Value("Content-Length")));
        }
        // A body that has not come is not waited for, nor taken for the next request.
        await client.SendAsync("POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n");
        Assert.Equal("close", (await client.ReadAnswerAsync()).Value("Connection"));
        await client.SendAsync("GET /gone HTTP/1.1\r\nHost: a\r\n");
        Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
    }

    private static string[] Lines(WireAnswer answer) => WireText.Text(answer.Body).Split('\n');

    [Theory]
    [InlineData("respond: { status: 404, body: nothing here }", 404)]
    [InlineData("redirect: { to: https://b.example/ }", 307)]
    public async Task Answers_of_a_route_itself_say_what_the_request_is_called(string route, int status)
    {
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            routes: [ { {{route}} } ]
            """);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine-1\r\n\r\n");
        var answer = await client.ReadAnswerAsync();
        Assert.Equal((status, "mine-1"), (answer.Status, answer.Value("X-Request-Id")));
    }
}
