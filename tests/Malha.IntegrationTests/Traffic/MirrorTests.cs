using System.Collections.Concurrent;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Mirroring;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Copies of requests for a service that nobody waits for.</summary>
public sealed class MirrorTests
{
    private const string Post = "POST /a%20b?q=1 HTTP/1.1\r\nHost: shop.example\r\nX-Request-Id: one\r\nContent-Type: text/x\r\n";

    [Theory]
    [InlineData("Content-Length: 5\r\n\r\nhello")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")]
    public async Task Mirror_gets_what_the_service_gets_and_its_answer_goes_nowhere(string body)
    {
        var copies = new ConcurrentQueue<WireRequest>();
        await using var mirror = Recording(copies, "HTTP/1.1 500 No\r\nContent-Length: 7\r\nX-From: mirror\r\n\r\nfailure");
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Start(origin.Url, mirror.Url);
        var answer = await gateway.AskAsync(Post + body, "POST");
        Assert.Equal(200, answer.Status);
        Assert.Null(answer.Value("X-From"));
        Assert.StartsWith("POST /a%20b?q=1\n", WireText.Text(answer.Body), StringComparison.Ordinal);

        await Eventually.HoldsAsync(() => copies.Count == 1, "the copy comes");
        Assert.True(copies.TryDequeue(out var copy));
        Assert.Equal("POST", copy.Method);
        Assert.Equal("/a%20b?q=1", copy.Target);
        Assert.Equal("hello", WireText.Text(copy.Body));
        Assert.Equal("shop.example", copy.Value("Host"));
        Assert.Equal("one", copy.Value("X-Request-Id"));
        Assert.Equal("text/x", copy.Value("Content-Type"));
        await CountsAsync(gateway, MirrorOutcome.Failure, 1);
        Assert.Equal(0, State(gateway).InFlight);
    }

    [Fact]
    public async Task Mirror_that_never_answers_costs_the_requests_nothing_and_gets_no_more_than_it_may_have()
    {
        const int Most = 3;
        const int Requests = 50;
        var copies = new ConcurrentQueue<WireRequest>();
        await using var mirror = Recording(copies, "");
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Start(origin.Url, mirror.Url, $", most: {Most}");
        await using var client = await gateway.ConnectAsync();
        for (var number = 0; number < Requests; number++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        }
        await Eventually.HoldsAsync(() => copies.Count == Most, "the first ones are copied");
        Assert.Equal(Most, State(gateway).InFlight);
        Assert.Equal(Requests - Most, State(gateway).Count(MirrorOutcome.Dropped));
    }

    [Fact]
    public async Task Mirror_that_is_late_or_not_there_is_told_in_the_metrics_only()
    {
        await using var silent = Recording([], "");
        await using var origin = ScriptedOrigin.Echoing();
        await using (var gateway = Start(origin.Url, silent.Url, service: ", timeout: 50ms"))
        {
            Assert.Equal(200, (await gateway.GetAsync()).Status);
            await CountsAsync(gateway, MirrorOutcome.Timeout, 1);
        }
        await using (var gateway = Start(origin.Url, $"http://127.0.0.1:{FreePort.Next()}"))
        {
            Assert.Equal(200, (await gateway.GetAsync()).Status);
            await CountsAsync(gateway, MirrorOutcome.Unreachable, 1);
        }
    }

    [Fact]
    public async Task Request_whose_body_is_not_at_hand_is_not_copied()
    {
        var copies = new ConcurrentQueue<WireRequest>();
        await using var mirror = Recording(copies, ScriptedOrigin.Answer(""));
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer($"{request.Body.Length}"));
        await using var gateway = Start(origin.Url, mirror.Url);
        var body = new string('x', 300_000);
        var answer = await gateway.AskAsync($"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {body.Length}\r\n\r\n{body}", "POST");
        Assert.Equal("300000", WireText.Text(answer.Body));
        Assert.Equal(1, State(gateway).Count(MirrorOutcome.Skipped));
        Assert.Empty(copies);
    }

    [Fact]
    public async Task Share_is_the_share_of_requests_that_are_copied()
    {
        const int Requests = 300;
        await using var mirror = Recording([], ScriptedOrigin.Answer(""));
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Start(origin.Url, mirror.Url, ", share: 20%");
        await using var client = await gateway.ConnectAsync();
        for (var number = 0; number < Requests; number++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            await client.ReadAnswerAsync();
        }
        // Five standard deviations to either side.
        await Eventually.HoldsAsync(() => State(gateway).InFlight == 0, "the copies end");
        Assert.InRange(State(gateway).Count(MirrorOutcome.Success), 25, 95);
    }

    [Fact]
    public async Task Mirror_may_speak_another_HTTP_and_TLS()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue("127.0.0.1");
        await using var origin = ScriptedOrigin.Echoing();
        await using var mirror = await TwoProtocolOrigin.StartAsync(certificate: certificate);
        await using (var gateway = Start(origin.Url, mirror.Url(2), service: ", protocol: http2"))
        {
            Assert.Equal(200, (await gateway.AskAsync("POST /clear HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "POST")).Status);
            await CountsAsync(gateway, MirrorOutcome.Success, 1);
        }
        await using (var gateway = Start(origin.Url, mirror.Url(3), service: $", protocol: http2, tls: {{ ca: \"file:{pki.Ca}\" }}"))
        {
            Assert.Equal(200, (await gateway.GetAsync("/secure")).Status);
            await CountsAsync(gateway, MirrorOutcome.Success, 1);
        }
        Assert.Equal(["/clear", "/secure"], mirror.Came.Order());
    }

    [Fact]
    public async Task Copies_and_their_counts_outlive_a_reload()
    {
        await using var mirror = Recording([], ScriptedOrigin.Answer(""));
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Start(origin.Url, mirror.Url);
        await gateway.GetAsync();
        await CountsAsync(gateway, MirrorOutcome.Success, 1);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(Yaml(origin.Url, mirror.Url, ", most: 7"))));
        await gateway.GetAsync();
        await CountsAsync(gateway, MirrorOutcome.Success, 2);
    }

    private static Task CountsAsync(TestGateway gateway, MirrorOutcome outcome, int count) =>
        Eventually.HoldsAsync(() => State(gateway).Count(outcome) == count, $"{count} copies end with {outcome}");

    private static MirrorState State(TestGateway gateway) => gateway.Service("mirror").State.Mirrors.Single().Value;

    private static ScriptedOrigin Recording(ConcurrentQueue<WireRequest> copies, string answer) => ScriptedOrigin.Answering(request =>
    {
        copies.Enqueue(request);
        return answer;
    });

    private static TestGateway Start(string origin, string mirror, string keys = "", string service = "") => TestGateway.Start(Yaml(origin, mirror, keys, service));

    private static string Yaml(string origin, string mirror, string keys = "", string service = "") => $$"""
        listeners: { edge: { address: "127.0.0.1:0" } }
        services:
          origin: { endpoints: [ "{{origin}}" ] }
          mirror: { endpoints: [ "{{mirror}}" ]{{service}} }
        routes: [ { service: origin, mirror: { service: mirror{{keys}} } } ]
        """;
}
