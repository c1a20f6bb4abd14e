using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Policies;

/// <summary>Failed attempts that are made again, over real connections: when, how often, and when not.</summary>
public sealed class RetryTests
{
    private const string ThreeAttempts = "retry: { attempts: 3, base: 1ms, max: 2ms }";

    private int _asked;

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345")]
    [InlineData("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k1\r\nContent-Length: 5\r\n\r\n12345")]
    public async Task Failure_of_what_may_be_repeated_is_tried_again_with_the_same_body(string request)
    {
        var bodies = new List<string>();
        await using var origin = ScriptedOrigin.Answering(seen =>
        {
            bodies.Add(WireText.Text(seen.Body));
            return ++_asked < 3 ? ScriptedOrigin.Answer("no", status: 500) : ScriptedOrigin.Answer("yes");
        });
        await using var gateway = TestGateway.Before(origin, ThreeAttempts);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(request);
        Assert.Equal("yes", WireText.Text((await client.ReadAnswerAsync()).Body));
        Assert.Equal(3, bodies.Count);
        Assert.Single(bodies.Distinct());
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", 500)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 501)]
    public async Task What_may_have_been_executed_and_what_is_no_failure_is_not_repeated(string request, int status)
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer($"{Interlocked.Increment(ref _asked)}", status: status));
        await using var gateway = TestGateway.Before(origin, ThreeAttempts);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(request);
        var answer = await client.ReadAnswerAsync();
        Assert.Equal((status, "1"), (answer.Status, WireText.Text(answer.Body)));
    }

    [Fact]
    public async Task Last_answer_is_the_clients_when_all_attempts_fail()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer($"{Interlocked.Increment(ref _asked)}", status: 502));
        await using var gateway = TestGateway.Before(origin, ThreeAttempts);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        var answer = await client.ReadAnswerAsync();
        Assert.Equal((502, "3"), (answer.Status, WireText.Text(answer.Body)));
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "nothing is under way");
    }

    [Fact]
    public async Task Route_may_have_a_policy_of_its_own_or_none()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer($"{Interlocked.Increment(ref _asked)}", status: 500));
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ], {{ThreeAttempts}} } }
            routes:
              - { match: { path: /off }, service: origin, retry: off }
              - { match: { path: /two }, service: origin, retry: { attempts: 2, base: 1ms, max: 1ms } }
            """);
        await using var client = await gateway.ConnectAsync();
        foreach (var (path, attempts) in new[] { ("/off", "1"), ("/two", "3") })
        {
            await client.SendAsync($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.Equal(attempts, WireText.Text((await client.ReadAnswerAsync()).Body));
        }
    }

    [Fact]
    public async Task Budget_bounds_what_retries_add_when_everything_fails()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer($"{Interlocked.Increment(ref _asked)}", status: 500));
        await using var gateway = TestGateway.Before(origin, "retry: { attempts: 3, base: 1ms, max: 1ms, budget: { ratio: 10%, floor: 1/s } }", time: new FakeTimeProvider { AutoAdvanceAmount = TimeSpan.FromMilliseconds(1) });
        await using var client = await gateway.ConnectAsync();
        for (var number = 0; number < 50; number++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            var answering = client.ReadAnswerAsync();
            await ((FakeTimeProvider)gateway.Host.Plane.Time).PassUntilAsync(answering, TimeSpan.FromMilliseconds(1));
        }
        // The floor: one a second, ten at once.
        Assert.InRange(_asked, 60, 63);
    }

    [Fact]
    public async Task Retry_after_is_waited_for()
    {
        var time = new FakeTimeProvider();
        await using var origin = ScriptedOrigin.Answering(_ => Interlocked.Increment(ref _asked) == 1
            ? ScriptedOrigin.Answer("later", "Retry-After: 2\r\n", 503) : ScriptedOrigin.Answer("yes"));
        await using var gateway = TestGateway.Before(origin, ThreeAttempts, time: time);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        var answering = client.ReadAnswerAsync();
        var passed = await time.PassUntilAsync(answering, TimeSpan.FromMilliseconds(50));
        Assert.Equal("yes", WireText.Text((await answering).Body));
        Assert.InRange(passed.TotalSeconds, 1.9, 4);
    }

    [Fact]
    public async Task Client_that_leaves_during_the_back_off_ends_it()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer($"{Interlocked.Increment(ref _asked)}", status: 500));
        await using var gateway = TestGateway.Before(origin, "timeout: 60s, retry: { attempts: 3, backoff: linear, base: 20s, max: 20s }");
        var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => Volatile.Read(ref _asked) == 1 && gateway.Service().Endpoints[0].InFlight == 0, "the first attempt fails");
        await client.DisposeAsync();
        await Eventually.HoldsAsync(() => gateway.Host.Listeners.Sum(listener => listener.Connections) == 0, "the exchange ends");
        Assert.Equal(1, _asked);
    }

    [Fact]
    public async Task Endpoint_that_is_not_there_is_passed_over_without_any_policy()
    {
        using var unused = new Socket(SocketType.Stream, ProtocolType.Tcp);
        unused.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "http://127.0.0.1:{{((IPEndPoint)unused.LocalEndPoint!).Port}}", "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """);
        await using var client = await gateway.ConnectAsync();
        for (var number = 0; number < 20; number++)
        {
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        }
    }
}
