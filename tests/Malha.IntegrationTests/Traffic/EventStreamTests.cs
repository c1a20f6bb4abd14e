using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Answers that last: server-sent events one by one, their number and their length limited.</summary>
public sealed class EventStreamTests
{
    private const string Head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Each_event_arrives_before_the_next_is_sent(bool chunked)
    {
        var read = new SemaphoreSlim(0);
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Head + (chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"));
            for (var number = 0; number < 20; number++)
            {
                // The head alone first, then each event when the one before has arrived.
                await read.WaitAsync(Peer.Patience);
                await peer.SendAsync(chunked ? $"d\r\ndata: {number:d5}\n\n\r\n" : $"data: {number:d5}\n\n");
            }
            if (chunked)
                await peer.SendAsync("0\r\n\r\n");
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Contains("text/event-stream; charset=utf-8", await client.ReadHeadAsync(), StringComparison.Ordinal);
        for (var number = 0; number < 20; number++)
        {
            read.Release();
            Assert.Equal($"d\r\ndata: {number:d5}\n\n\r\n", await client.ReadTextAsync(18));
        }
        Assert.Equal("0\r\n\r\n", await client.ReadTextAsync(5));
    }

    [Fact]
    public async Task Streams_over_the_limit_are_refused_until_one_ends()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
                await peer.SendAsync(request.Target == "/short" ? ScriptedOrigin.Answer("short") : Head + "Transfer-Encoding: chunked\r\n\r\n");
        });
        await using var gateway = TestGateway.Before(origin, service: "maxStreams: 2");
        await using var first = await gateway.ConnectAsync();
        await using var second = await gateway.ConnectAsync();
        foreach (var client in new[] { first, second })
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            await client.ReadHeadAsync();
        }
        Assert.Equal(2, gateway.Service().State.Streams);
        var refused = await gateway.GetAsync();
        Problem.Has(refused, 503, "stream-limit", "services.origin.maxStreams", limit: 2, unit: "streams");
        Assert.Equal("short", WireText.Text((await gateway.GetAsync("/short")).Body));
        first.Reset();
        await Eventually.HoldsAsync(() => gateway.Service().State.Streams == 1, "the client's end ends its stream");
        await using var third = await gateway.ConnectAsync();
        await third.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200", await third.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_is_cut_when_its_longest_duration_is_over_however_lively_it_is()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Head + "Transfer-Encoding: chunked\r\n\r\n");
            while (await peer.TrySendAsync("1\r\n.\r\n"u8.ToArray()))
                await Task.Yield();
        });
        var time = new FakeTimeProvider();
        await using var gateway = TestGateway.Before(origin, service: "maxDuration: 1m", time: time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.ReadHeadAsync();
        var ending = client.DrainAsync();
        var passed = await time.PassUntilAsync(ending, TimeSpan.FromSeconds(1));
        Assert.Equal(ClientEnd.Reset, client.End);
        Assert.InRange(passed, TimeSpan.FromSeconds(59), TimeSpan.FromSeconds(120));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")]
    public async Task Silence_longer_than_the_idle_timeout_ends_an_exchange(string answer, string request)
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(answer);
            await peer.DrainAsync();
        });
        var time = new FakeTimeProvider();
        await using var gateway = TestGateway.Before(origin, service: "idleTimeout: 30s", time: time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(request);
        await client.ReadHeadAsync();
        var ending = client.DrainAsync();
        var passed = await time.PassUntilAsync(ending, TimeSpan.FromMilliseconds(500));
        Assert.Equal(ClientEnd.Reset, client.End);
        Assert.InRange(passed, TimeSpan.FromSeconds(29.9), TimeSpan.FromSeconds(45));
    }
}
