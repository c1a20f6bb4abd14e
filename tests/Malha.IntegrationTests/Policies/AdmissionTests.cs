using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Policies;

/// <summary>How many attempts a service gets at a time, over real connections: who waits, who is refused and what is said.</summary>
public sealed class AdmissionTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Who_finds_no_place_waits_and_gets_the_one_that_falls_free()
    {
        await using var origin = new HeldOrigin();
        await using var gateway = TestGateway.Before(origin.Origin, "concurrency: 2", time: _time);
        await using var first = await AskAsync(gateway);
        await using var second = await AskAsync(gateway);
        await Eventually.HoldsAsync(() => origin.Held == 2, "two are at the service");
        await using var third = await AskAsync(gateway);
        await Eventually.HoldsAsync(() => Waiting(gateway) == 1, "the third waits");

        origin.LetGo();
        Assert.Equal(200, (await third.ReadAnswerAsync()).Status);
        Assert.Equal(200, (await first.ReadAnswerAsync()).Status);
        Assert.Equal(200, (await second.ReadAnswerAsync()).Status);
        Assert.Equal(0, gateway.Service().State.Admission!.Controller.InFlight);
    }

    [Fact]
    public async Task Who_waits_too_long_is_told_the_limit_and_when_to_come_back()
    {
        await using var origin = new HeldOrigin();
        await using var gateway = TestGateway.Before(origin.Origin, "concurrency: 1", time: _time);
        await using var first = await AskAsync(gateway);
        await Eventually.HoldsAsync(() => origin.Held == 1, "one is at the service");
        await using var second = await AskAsync(gateway);
        await Eventually.HoldsAsync(() => Waiting(gateway) == 1, "the second waits");

        var answering = second.ReadAnswerAsync();
        await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(50));
        var problem = Problem.Has(await answering, 503, "overloaded", "services.origin.concurrency", 1, "attempts in flight", "connection_limit_reached");
        Assert.Equal(1, problem.GetProperty("observed").GetDouble());
        Assert.Equal("1", (await answering).Value("Retry-After"));
        Assert.True((await answering).KeepsConnection);
        Assert.Equal(1, origin.Held);
        origin.LetGo();
        Assert.Equal(200, (await first.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task Who_leaves_the_queue_gives_up_its_place()
    {
        await using var origin = new HeldOrigin();
        await using var gateway = TestGateway.Before(origin.Origin, "concurrency: 1", time: _time);
        await using var first = await AskAsync(gateway);
        await Eventually.HoldsAsync(() => origin.Held == 1, "one is at the service");
        var second = await AskAsync(gateway);
        await Eventually.HoldsAsync(() => Waiting(gateway) == 1, "the second waits");
        await second.DisposeAsync();
        await Eventually.HoldsAsync(() => Waiting(gateway) == 0, "its place is free");
        origin.LetGo();
        Assert.Equal(200, (await first.ReadAnswerAsync()).Status);
        Assert.Equal(1, origin.Held);
    }

    [Fact]
    public async Task Attempt_that_timed_out_counts_on_for_as_long_as_an_answer_takes()
    {
        await using var origin = new HeldOrigin();
        await using var gateway = TestGateway.Before(origin.Origin, "concurrency: 1, timeout: 1s", time: _time);
        await using var first = await AskAsync(gateway);
        var answering = first.ReadAnswerAsync();
        await Eventually.HoldsAsync(() => origin.Held == 1, "one is at the service");
        await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(100));
        Assert.Equal(504, (await answering).Status);
        // Nothing is known of the service's latency yet, so nothing lingers.
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "the attempt has ended");
        origin.LetGo();
        await first.SendAsync(Get);
        Assert.Equal(200, (await first.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task Over_its_capacity_a_service_gets_nothing_and_the_refusal_says_so()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("ok"));
        await using var gateway = TestGateway.Before(origin, "concurrency: off, capacity: { rate: 1/min, burst: 2 }", time: _time);
        await using var client = await gateway.ConnectAsync();
        foreach (var _ in Enumerable.Range(0, 2))
        {
            await client.SendAsync(Get);
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        }
        await client.SendAsync(Get);
        var answering = client.ReadAnswerAsync();
        await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(50));
        var problem = Problem.Has(await answering, 503, "over-capacity", "services.origin.capacity");
        Assert.Equal((2, 3), (problem.GetProperty("limit").GetInt32(), problem.GetProperty("observed").GetInt32()));
        Assert.InRange(problem.GetProperty("retryAfterMs").GetInt64(), 50_000, 60_000);
    }

    [Fact]
    public async Task Upgraded_connections_and_event_streams_take_no_place()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            var request = await peer.ReadRequestAsync();
            await peer.SendAsync(request!.Target == "/events"
                ? "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:a\n\r\n" : ScriptedOrigin.Answer("ok"));
            await peer.ReadToEndAsync();
        });
        await using var gateway = TestGateway.Before(origin, "concurrency: 1", time: _time);
        await using var stream = await gateway.ConnectAsync();
        await stream.SendAsync("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
        await stream.ReadUntilAsync(":a");
        await using var other = await AskAsync(gateway);
        Assert.Equal(200, (await other.ReadAnswerAsync()).Status);
    }

    private static int Waiting(TestGateway gateway) => gateway.Service().State.Admission!.Controller.Waiting;

    private static async Task<Peer> AskAsync(TestGateway gateway)
    {
        var client = await gateway.ConnectAsync();
        await client.SendAsync(Get);
        return client;
    }

    /// <summary>A service that answers nothing until it is let go.</summary>
    private sealed class HeldOrigin : IAsyncDisposable
    {
        private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _held;

        public HeldOrigin() => Origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
            {
                Interlocked.Increment(ref _held);
                await _gate.Task;
                await peer.SendAsync(ScriptedOrigin.Answer("ok"));
            }
        });

        public ScriptedOrigin Origin { get; }

        public int Held => Volatile.Read(ref _held);

        public void LetGo() => _gate.TrySetResult();

        public async ValueTask DisposeAsync()
        {
            LetGo();
            await Origin.DisposeAsync();
        }
    }
}
