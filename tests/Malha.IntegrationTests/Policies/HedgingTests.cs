using System.Collections.Concurrent;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Policies;

/// <summary>A second attempt beside one that takes long, over real connections.</summary>
public sealed class HedgingTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    private readonly FakeTimeProvider _time = new();
    private readonly ConcurrentQueue<string> _bodies = new();
    private readonly ConcurrentQueue<ClientEnd> _ends = new();
    private int _asked;

    [Theory]
    [InlineData(Get, "")]
    [InlineData("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", "12345")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n", "12345")]
    public async Task Attempt_that_takes_long_gets_another_beside_it_and_the_first_answer_wins(string request, string body)
    {
        await using var origin = FirstHangs();
        await using var gateway = TestGateway.Before(origin, "hedge: { delay: 100ms }, concurrency: 8", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(request);
        await Eventually.HoldsAsync(() => Volatile.Read(ref _asked) == 1, "the first attempt is under way");
        var answering = client.ReadAnswerAsync();
        var passed = await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(20));
        Assert.Equal("2", WireText.Text((await answering).Body));
        Assert.InRange(passed.TotalMilliseconds, 90, 2_000);
        Assert.Equal([body, body], _bodies);
        await Eventually.HoldsAsync(() => _ends.Count == 1, "the loser is broken off");
        Assert.Equal(ClientEnd.Reset, Assert.Single(_ends));
        await SettledAsync(gateway);

        // The connection is in order, and so is the exchange.
        await client.SendAsync(Get);
        Assert.Equal("3", WireText.Text((await client.ReadAnswerAsync()).Body));
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "hedge: { delay: 100ms }")]
    [InlineData(Get, "hedge: off")]
    [InlineData(Get, "hedge: { delay: p95 }")]
    public async Task What_may_not_run_twice_and_what_nothing_is_known_of_is_not_hedged(string request, string hedge)
    {
        await using var origin = FirstHangs();
        await using var gateway = TestGateway.Before(origin, hedge + ", timeout: 2s", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(request);
        var answering = client.ReadAnswerAsync();
        await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(50));
        Assert.Equal(504, (await answering).Status);
        Assert.Equal(1, _asked);
    }

    [Fact]
    public async Task First_answer_in_time_is_all_there_is()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer($"{Interlocked.Increment(ref _asked)}"));
        await using var gateway = TestGateway.Before(origin, "hedge: { delay: 10s }");
        await using var client = await gateway.ConnectAsync();
        for (var number = 1; number <= 200; number++)
        {
            await client.SendAsync(Get);
            Assert.Equal($"{number}", WireText.Text((await client.ReadAnswerAsync()).Body));
        }
        await SettledAsync(gateway);
    }

    [Fact]
    public async Task Hedge_that_fails_leaves_the_first_attempt_its_time()
    {
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var origin = ScriptedOrigin.Start(async (peer, number) =>
        {
            await peer.ReadRequestAsync();
            Interlocked.Increment(ref _asked);
            if (number == 1)
            {
                await first.Task;
                await peer.SendAsync(ScriptedOrigin.Answer("first"));
            }
            else
            {
                await peer.SendAsync(ScriptedOrigin.Answer("second", status: 500));
            }
        });
        await using var gateway = TestGateway.Before(origin, "hedge: { delay: 100ms }", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Get);
        var answering = client.ReadAnswerAsync();
        await Eventually.HoldsAsync(() => Volatile.Read(ref _asked) == 1, "the first attempt is under way");
        await Eventually.HoldsAsync(() =>
        {
            _time.Advance(TimeSpan.FromMilliseconds(20));
            return Volatile.Read(ref _asked) == 2;
        }, "the hedge is under way");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the hedge has failed");
        first.SetResult();
        Assert.Equal("first", WireText.Text((await answering).Body));
        await SettledAsync(gateway);
    }

    [Fact]
    public async Task Client_that_leaves_ends_all_attempts()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            Interlocked.Increment(ref _asked);
            _ends.Enqueue(await peer.ReadToEndAsync());
        });
        await using var gateway = TestGateway.Before(origin, "hedge: { delay: 100ms, hedges: 2 }", time: _time);
        var client = await gateway.ConnectAsync();
        await client.SendAsync(Get);
        await Eventually.HoldsAsync(() =>
        {
            _time.Advance(TimeSpan.FromMilliseconds(20));
            return Volatile.Read(ref _asked) == 3;
        }, "three attempts are under way");
        await client.DisposeAsync();
        await Eventually.HoldsAsync(() => _ends.Count == 3, "all are broken off");
        await SettledAsync(gateway);
    }

    [Fact]
    public async Task Hedge_takes_no_place_that_another_request_would_have_to_wait_for()
    {
        await using var origin = FirstHangs();
        await using var gateway = TestGateway.Before(origin, "hedge: { delay: 100ms }, concurrency: 1, timeout: 2s", time: _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Get);
        var answering = client.ReadAnswerAsync();
        await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(50));
        Assert.Equal(504, (await answering).Status);
        Assert.Equal(1, _asked);
    }

    [Fact]
    public async Task Many_hedged_requests_at_once_lose_and_mix_up_nothing()
    {
        await using var origin = ScriptedOrigin.Start(async (peer, number) =>
        {
            var random = new Random(number);
            while (await peer.ReadRequestAsync() is { } request)
            {
                if (random.Next(4) == 0)
                    await Task.Delay(random.Next(30), TestContext.Current.CancellationToken);
                await peer.SendAsync(ScriptedOrigin.Answer(request.Target));
            }
        });
        await using var gateway = TestGateway.Before(origin, "hedge: { delay: 5ms, hedges: 2 }, concurrency: off, retry: { attempts: 2, budget: { ratio: 100%, floor: 10000/s } }");
        await Task.WhenAll(Enumerable.Range(0, 16).Select(worker => Task.Run(async () =>
        {
            await using var client = await gateway.ConnectAsync();
            for (var number = 0; number < 60; number++)
            {
                await client.SendAsync($"GET /{worker}/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
                var answer = await client.ReadAnswerAsync();
                Assert.Equal((200, $"/{worker}/{number}"), (answer.Status, WireText.Text(answer.Body)));
            }
        })));
        await SettledAsync(gateway);
    }

    private ScriptedOrigin FirstHangs() => ScriptedOrigin.Start(async peer =>
    {
        while (await peer.ReadRequestAsync() is { } request)
        {
            _bodies.Enqueue(WireText.Text(request.Body));
            var number = Interlocked.Increment(ref _asked);
            if (number == 1)
            {
                _ends.Enqueue(await peer.ReadToEndAsync());
                return;
            }
            await peer.SendAsync(ScriptedOrigin.Answer($"{number}"));
        }
    });

    private static Task SettledAsync(TestGateway gateway) => Eventually.HoldsAsync(
        () =>
        {
            var admission = gateway.Service().State.Admission?.Controller;
            admission?.Advance(gateway.Host.Plane.Clock.Now + TimeSpan.FromMinutes(1));
            return gateway.Service().Endpoints[0].InFlight == 0 && admission is null or { InFlight: 0 };
        },
        "nothing is under way");
}
