using System.Text.Json;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Admin;

public sealed class AccessLogTests
{
    [Fact]
    public async Task A_request_is_one_line_that_says_how_it_went()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin, "");
        await using var client = await RawClient.ConnectAsync(gateway.Port, TestContext.Current.CancellationToken);
        await client.SendAsync(WireText.Bytes(
            "POST /a?apiKey=hush HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: a \"quoted\" one\r\nAuthorization: Bearer hush\r\n"
            + "X-Request-Id: my-id\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nContent-Length: 5\r\n\r\nhello"));
        var answer = await client.ReadAnswerAsync("POST");
        var line = await LineAsync(gateway, "my-id");

        Assert.Equal(("POST", "/a?apiKey=***", "shop.example", 200), (Text(line, "method"), Text(line, "target"), Text(line, "host"), line.GetProperty("status").GetInt32()));
        Assert.Equal((5, answer.Answer!.Body.Length), (line.GetProperty("bytesIn").GetInt64(), line.GetProperty("bytesOut").GetInt64()));
        Assert.Equal(("edge", "routes[0]", "web"), (Text(line, "listener"), Text(line, "route"), Text(line, "service")));
        Assert.Equal($"127.0.0.1:{origin.Port}", Text(line, "endpoint"));
        Assert.Equal(("0af7651916cd43dd8448eb211c80319c", "a \"quoted\" one", "127.0.0.1"), (Text(line, "traceId"), Text(line, "userAgent"), Text(line, "client")));
        Assert.True(line.GetProperty("durationMs").GetDouble() > 0);
        Assert.DoesNotContain("hush", string.Concat(gateway.Log().Select(entry => entry.GetRawText())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_guard_refuses_and_a_head_that_comes_too_late_are_logged()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin, "accessLog: { sample: 0% }\n");
        (await gateway.SendAsync("/unsampled")).Dispose();
        await using (var client = await RawClient.ConnectAsync(gateway.Port, TestContext.Current.CancellationToken))
        {
            await client.SendAsync(WireText.Bytes("GET http://user:pw@shop.example/x HTTP/1.1\r\nHost: shop.example\r\nX-Request-Id: bad\r\n\r\n"));
            await client.ReadToEndAsync();
        }
        await using (var client = await RawClient.ConnectAsync(gateway.Port, TestContext.Current.CancellationToken))
        {
            await client.SendAsync(WireText.Bytes("GET /late HTT"));
            await client.ReadToEndAsync();
        }

        var bad = await LineAsync(gateway, "bad");
        Assert.Equal((400, "malformed-request", "http.bad-host"), (bad.GetProperty("status").GetInt32(), Text(bad, "refusal"), Text(bad, "rule")));
        Assert.DoesNotContain("pw", bad.GetRawText(), StringComparison.Ordinal);
        var late = await gateway.LogLineAsync(line => line.TryGetProperty("refusal", out var refusal) && refusal.GetString() == "slow-request");
        Assert.Equal(408, late.GetProperty("status").GetInt32());
        Assert.DoesNotContain(gateway.Log(), line => line.GetRawText().Contains("unsampled", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_switched_connection_is_one_request_with_all_its_bytes()
    {
        await using var origin = RecordingOrigin.Start();
        origin.Script("/ws", new OriginScript(async reply =>
        {
            reply.IsTunnel = true;
            await reply.SendAsync(WireText.Bytes("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome"));
            reply.Close();
        }));
        await using var gateway = await StartAsync(origin, "");
        await using (var client = await RawClient.ConnectAsync(gateway.Port, TestContext.Current.CancellationToken))
        {
            await client.SendAsync(WireText.Bytes("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Request-Id: ws\r\n\r\n"));
            await client.ReadAnswerAsync("GET");
            await client.SendAsync(WireText.Bytes("hi"));
            client.FinishSending();
            await client.ReadToEndAsync();
        }
        var line = await LineAsync(gateway, "ws");
        Assert.Equal((101, 2, 7), (line.GetProperty("status").GetInt32(), line.GetProperty("bytesIn").GetInt64(), line.GetProperty("bytesOut").GetInt64()));
    }

    [Fact]
    public async Task Text_is_for_requests_and_events_alike()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin, "accessLog: { format: text }\n");
        (await gateway.SendAsync("/a?token=hush")).Dispose();
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!gateway.LogText().Any(line => line.Contains("GET     /a?token=***", StringComparison.Ordinal)))
            await poll.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        Assert.Contains("  info listening  listener=edge", gateway.LogText()[0], StringComparison.Ordinal);
        Assert.All(gateway.LogText(), line => Assert.False(line.StartsWith('{')));
    }

    [Fact]
    public async Task Off_is_off()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin, "accessLog: { format: \"off\" }\n");
        (await gateway.SendAsync("/a")).Dispose();
        await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, gateway.Token);
        Assert.DoesNotContain(gateway.Log(), line => line.GetProperty("event").GetString() == "request");
    }

    private static Task<JsonElement> LineAsync(RunningGateway gateway, string requestId) =>
        gateway.LogLineAsync(line => line.TryGetProperty("requestId", out var id) && id.GetString() == requestId);

    private static string? Text(JsonElement line, string name) => line.GetProperty(name).GetString();

    private static Task<RunningGateway> StartAsync(RecordingOrigin origin, string more) => RunningGateway.StartAsync(
        $"services: {{ web: {{ endpoints: [ {origin.Url.ToString().TrimEnd('/')} ] }} }}\nroutes: [ {{ match: {{ path: /** }}, service: web }} ]\n" + more);
}
