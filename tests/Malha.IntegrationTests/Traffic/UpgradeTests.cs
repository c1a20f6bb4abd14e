using System.Net.WebSockets;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Switches to another protocol: WebSocket, half-closed tunnels, refusals, and HTTP/2 in clear, which never passes.</summary>
public sealed class UpgradeTests
{
    private const string Asking = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n";
    private const string Switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

    [Fact]
    public async Task WebSocket_echoes_ten_thousand_messages()
    {
        await using var origin = await KestrelOrigin.StartAsync();
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url));
        using var socket = new ClientWebSocket();
        var cancellation = TestContext.Current.CancellationToken;
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{gateway.Port}/socket"), cancellation);
        const int Count = 10_000;
        var sending = Task.Run(async () =>
        {
            for (var number = 0; number < Count; number++)
                await socket.SendAsync(BodyPattern.Bytes((ulong)number, number * 31 % 2_000), WebSocketMessageType.Binary, endOfMessage: true, cancellation);
        }, cancellation);
        var buffer = new byte[4096];
        for (var number = 0; number < Count; number++)
        {
            var length = 0;
            ValueWebSocketReceiveResult result;
            do
            {
                result = await socket.ReceiveAsync(buffer.AsMemory(length), cancellation);
                length += result.Count;
            }
            while (!result.EndOfMessage);
            Assert.Equal(BodyPattern.Bytes((ulong)number, number * 31 % 2_000), buffer.AsSpan(0, length));
        }
        await sending;
        Assert.Equal(1, gateway.Service().State.Streams);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "done", cancellation);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, socket.CloseStatus);
        await Eventually.HoldsAsync(() => gateway.Service().State.Streams == 0, "the stream is counted out");
    }

    [Fact]
    public async Task Bytes_right_behind_both_heads_pass_and_each_side_may_end_first()
    {
        foreach (var clientFirst in new[] { true, false })
        {
            var rest = new TaskCompletionSource<string>();
            await using var origin = ScriptedOrigin.Start(async peer =>
            {
                var head = await peer.ReadHeadAsync();
                Assert.Contains("Connection: Upgrade\r\n", head, StringComparison.Ordinal);
                Assert.Contains("Upgrade: echo\r\n", head, StringComparison.Ordinal);
                await peer.SendAsync(Switching + "server speaks first");
                Assert.Equal("early", await peer.ReadTextAsync(5));
                if (!clientFirst)
                    peer.FinishSending();
                await peer.ReadToEndAsync();
                rest.SetResult(WireText.Text(peer.Unread.Span));
                if (clientFirst)
                    await peer.SendAsync("last words of the server");
            });
            await using var gateway = TestGateway.Before(origin);
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync(Asking + "early");
            Assert.Equal("echo", (await client.ReadAnswerAsync()).Value("Upgrade"));
            Assert.Equal("server speaks first", await client.ReadTextAsync(19));
            var last = new string('w', 200_000);
            if (clientFirst)
            {
                await client.SendAsync(last);
                client.FinishSending();
                Assert.Equal("last words of the server", await client.ReadTextAsync(24));
                Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
            }
            else
            {
                Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());
                await client.SendAsync(last);
                client.FinishSending();
            }
            Assert.Equal(last, await rest.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Break_on_one_side_of_a_tunnel_is_a_break_on_the_other(bool clientBreaks)
    {
        var ended = new TaskCompletionSource<ClientEnd>();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync(Switching);
            await peer.ReadAsync(1);
            if (!clientBreaks)
                peer.Reset();
            else
                ended.SetResult(await peer.ReadToEndAsync());
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Asking);
        Assert.Equal(101, (await client.ReadAnswerAsync()).Status);
        await client.SendAsync("x");
        if (clientBreaks)
            client.Reset();
        Assert.Equal(ClientEnd.Reset, clientBreaks ? await ended.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken) : await client.ReadToEndAsync());
    }

    [Theory]
    [InlineData(200)]
    [InlineData(403)]
    [InlineData(426)]
    public async Task Refused_upgrade_is_an_answer_like_any_other(int status)
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(request.Target, "", status));
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Asking);
        Assert.Equal(status, (await client.ReadAnswerAsync()).Status);
        await client.SendAsync("GET /after HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("/after", WireText.Text((await client.ReadAnswerAsync()).Body));
        Assert.Equal(1, origin.Connections);
    }

    [Theory]
    [InlineData("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n")]
    [InlineData("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n")]
    [InlineData("Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n")]
    [InlineData("Upgrade: websocket\r\n")]
    public async Task Upgrade_to_HTTP_2_or_without_Connection_does_not_pass(string fields)
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        var echo = WireText.Text((await gateway.AskAsync($"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).Body);
        Assert.DoesNotContain("upgrade", echo, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("settings", echo, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Switch_that_nobody_asked_for_is_a_bad_answer()
    {
        await using var origin = ScriptedOrigin.Answering(_ => Switching + "smuggled");
        await using var gateway = TestGateway.Before(origin);
        Assert.Equal(502, (await gateway.GetAsync()).Status);
    }
}
