using Malha.IntegrationTests.Traffic.Support;
using Malha.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Policies;

/// <summary>Classes of clients at one service, and what a Malha before this one says of a request.</summary>
public sealed class SharesTests
{
    private readonly FakeTimeProvider _time = new();
    private int _asked;

    [Fact]
    public async Task Important_client_finds_its_seats_however_many_others_wait()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                Interlocked.Increment(ref _asked);
                if (request.Target == "/batch")
                    await gate.Task;
                await peer.SendAsync(ScriptedOrigin.Answer("ok"));
            }
        });
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            clients: { billing: { header: { name: X-Team, value: billing }, class: critical }, anyone: { any: true, class: batch } }
            classes: { critical: { share: 50% }, batch: { share: 50% } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ], concurrency: 4 } }
            routes: [ { service: origin } ]
            """, _time);
        var batch = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => gateway.ConnectAsync()));
        foreach (var client in batch)
            await client.SendAsync("GET /batch HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Service().State.Admission!.Controller.Waiting == 4 && Volatile.Read(ref _asked) == 2, "batch has its two seats, and waits");

        await using var billing = await gateway.ConnectAsync();
        for (var number = 0; number < 50; number++)
        {
            await billing.SendAsync("GET /pay HTTP/1.1\r\nHost: a\r\nX-Team: billing\r\n\r\n");
            Assert.Equal(200, (await billing.ReadAnswerAsync()).Status);
        }
        gate.SetResult();
        foreach (var client in batch)
        {
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task Time_that_a_trusted_Malha_has_left_ends_the_request_and_is_no_failure_of_the_service()
    {
        await using var origin = ScriptedOrigin.Start(async peer => await peer.ReadToEndAsync());
        await using var gateway = TestGateway.Start(File(origin, "breaker: { consecutive: 1 }, concurrency: off"), _time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nMalha-Timeout: 500\r\n\r\n");
        var answering = client.ReadAnswerAsync();
        var passed = await _time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(50));
        Assert.Equal(504, (await answering).Status);
        Assert.InRange(passed.TotalMilliseconds, 450, 5_000);
        Assert.Equal(BreakerState.Closed, gateway.Service().Endpoints[0].Breaker!.Snapshot(gateway.Host.Plane.Clock.Now).State);
    }

    [Fact]
    public async Task Request_that_is_a_retry_already_is_not_retried_again()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer($"{Interlocked.Increment(ref _asked)}", status: 500));
        await using var gateway = TestGateway.Start(File(origin, "retry: { attempts: 3, base: 1ms, max: 1ms }"));
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nMalha-Attempt: 2\r\n\r\n");
        Assert.Equal(500, (await client.ReadAnswerAsync()).Status);
        Assert.Equal(1, _asked);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nMalha-Attempt: 1\r\n\r\n");
        Assert.Equal(500, (await client.ReadAnswerAsync()).Status);
        Assert.Equal(4, _asked);
    }

    private static string File(ScriptedOrigin origin, string service) => $$"""
        listeners: { edge: { address: "127.0.0.1:0" } }
        trustedMalha: [ 127.0.0.1 ]
        services: { origin: { endpoints: [ "{{origin.Url}}" ], {{service}} } }
        routes: [ { service: origin } ]
        """;
}
