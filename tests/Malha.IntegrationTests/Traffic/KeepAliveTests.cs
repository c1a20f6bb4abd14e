using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>One connection, many messages: which follow each other, and which end it.</summary>
public sealed class KeepAliveTests
{
    [Fact]
    public async Task Requests_one_after_the_other_use_one_connection_on_both_sides()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        for (var number = 0; number < 50; number++)
        {
            await client.SendAsync($"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
            var answer = await client.ReadAnswerAsync();
            Assert.StartsWith($"GET /{number}\n", WireText.Text(answer.Body), StringComparison.Ordinal);
            Assert.True(answer.KeepsConnection);
        }
        Assert.Equal(1, origin.Connections);
    }

    [Fact]
    public async Task Pipelined_requests_with_bodies_of_both_framings_are_answered_in_their_order()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        var all = "";
        for (var number = 0; number < 60; number++)
        {
            // Bodies that fit with their heads and some that do not, so that the next request begins in every possible place.
            var body = new string((char)('a' + (number % 26)), number * 173 % 6000);
            all += (number % 3) switch
            {
                0 => $"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n",
                1 => $"POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {body.Length}\r\n\r\n{body}",
                _ => $"PUT /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{(body.Length == 0 ? "" : $"{body.Length:x}\r\n{body}\r\n")}0\r\n\r\n",
            };
        }
        var sending = client.SendAsync(all);
        for (var number = 0; number < 60; number++)
        {
            var answer = await client.ReadAnswerAsync();
            var text = WireText.Text(answer.Body);
            Assert.Contains($" /{number}\n", text, StringComparison.Ordinal);
            var length = number % 3 == 0 ? 0 : number * 173 % 6000;
            Assert.Equal(length, text.Length - text.IndexOf("\n\n", StringComparison.Ordinal) - 2);
        }
        await sending;
    }

    [Fact]
    public async Task Request_that_came_while_the_one_before_was_answered_is_served()
    {
        var release = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                if (request.Target == "/slow")
                    await release.Task;
                await peer.SendAsync(ScriptedOrigin.Answer(request.Target));
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => origin.Connections == 1, "the request arrives");
        await client.SendAsync("GET /second HTTP/1.1\r\nHost: a\r\n\r\nGET /third HTTP/1.1\r\nHo");
        release.SetResult();
        Assert.Equal("/slow", WireText.Text((await client.ReadAnswerAsync()).Body));
        Assert.Equal("/second", WireText.Text((await client.ReadAnswerAsync()).Body));
        await client.SendAsync("st: a\r\n\r\n");
        Assert.Equal("/third", WireText.Text((await client.ReadAnswerAsync()).Body));
    }

    [Fact]
    public async Task Answer_to_HEAD_has_the_length_and_no_body_and_the_connection_goes_on()
    {
        await using var origin = ScriptedOrigin.Answering(request => request.Method == "HEAD"
            ? request.Target == "/chunked" ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
            : ScriptedOrigin.Answer("after"));
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("12345", (await client.ReadAnswerAsync("HEAD")).Value("Content-Length"));
        Assert.Null((await client.ReadAnswerAsync("HEAD")).Value("Content-Length"));
        Assert.Equal("after", WireText.Text((await client.ReadAnswerAsync()).Body));
        Assert.Equal(1, origin.Connections);
    }

    [Theory]
    [InlineData("204 No Content", "")]
    [InlineData("304 Not Modified", "")]
    [InlineData("304 Not Modified", "Content-Length: 77\r\n")]
    [InlineData("304 Not Modified", "ETag: \"x\"\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n")]
    public async Task Status_without_body_leaves_the_connection_usable(string status, string fields)
    {
        await using var origin = ScriptedOrigin.Answering(request => request.Target == "/bare" ? $"HTTP/1.1 {status}\r\n{fields}\r\n" : ScriptedOrigin.Answer("next"));
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET /bare HTTP/1.1\r\nHost: a\r\n\r\n");
        var answer = await client.ReadAnswerAsync();
        Assert.Equal(status[..3], $"{answer.Status}");
        Assert.Null(answer.Value("Transfer-Encoding"));
        Assert.Single(answer.Values("Date"));
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("next", WireText.Text((await client.ReadAnswerAsync()).Body));
        Assert.Equal(1, origin.Connections);
    }

    [Theory]
    [InlineData("HTTP/1.1", "Connection: close\r\n", false)]
    [InlineData("HTTP/1.1", "Connection: keep-alive\r\n", true)]
    [InlineData("HTTP/1.0", "", false)]
    [InlineData("HTTP/1.0", "Connection: keep-alive\r\n", true)]
    public async Task Connection_goes_on_or_ends_as_version_and_Connection_say(string version, string fields, bool keeps)
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync($"GET /one {version}\r\nHost: a\r\n{fields}\r\n");
        var answer = await client.ReadAnswerAsync();
        Assert.DoesNotContain("Connection:", WireText.Text(answer.Body), StringComparison.Ordinal);
        if (keeps)
        {
            Assert.Equal(version == "HTTP/1.0" ? "keep-alive" : null, answer.Value("Connection"));
            await client.SendAsync($"GET /two {version}\r\nHost: a\r\n{fields}\r\n");
            Assert.StartsWith("GET /two\n", WireText.Text((await client.ReadAnswerAsync()).Body), StringComparison.Ordinal);
            return;
        }
        Assert.Equal("close", answer.Value("Connection"));
        Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
    }

    [Fact]
    public async Task HTTP_1_0_client_gets_a_chunked_answer_up_to_the_connections_end()
    {
        await using var origin = ScriptedOrigin.Answering(_ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\nX-Sum: 1\r\n\r\n");
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
        var answer = WireText.Text(client.Unread.Span);
        Assert.EndsWith("\r\n\r\nfirstsecond", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("Transfer-Encoding", answer, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Connection: close\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HTTP_1_0_server_is_read_to_its_end_and_not_used_again()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nuntil the end");
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        for (var number = 1; number <= 3; number++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            var answer = await client.ReadAnswerAsync();
            Assert.True(answer.IsChunked);
            Assert.Equal("1.0 malha", answer.Value("Via"));
            Assert.Equal("until the end", WireText.Text(answer.Body));
            Assert.Equal(number, origin.Connections);
        }
    }

    [Fact]
    public async Task Server_that_says_close_is_not_asked_again_on_that_connection()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("x", "Connection: close\r\n"));
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        for (var number = 1; number <= 3; number++)
        {
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
            var answer = await client.ReadAnswerAsync();
            Assert.Equal(200, answer.Status);
            Assert.True(answer.KeepsConnection);
            Assert.Equal(number, origin.Connections);
        }
    }

    [Fact]
    public async Task Bytes_that_nobody_asked_for_retire_an_idle_connection()
    {
        await using var origin = ScriptedOrigin.Start(async (peer, number) =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(ScriptedOrigin.Answer($"connection {number}") + (number == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" : ""));
            await peer.DrainAsync();
        });
        await using var gateway = TestGateway.Before(origin);
        Assert.Equal("connection 1", WireText.Text((await gateway.GetAsync()).Body));
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].Open == 0, "the connection with unasked bytes is given up");
        Assert.Equal("connection 2", WireText.Text((await gateway.GetAsync()).Body));
    }
}
