using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Health;

namespace Malha.IntegrationTests.Health;

/// <summary>Checks over HTTP: what they ask, what they demand, and what follows from their results.</summary>
public sealed class HttpCheckTests
{
    [Fact]
    public async Task Service_that_fails_its_check_gets_no_traffic_and_its_callers_an_instant_503()
    {
        await using var origin = new CheckedOrigin(CheckedOrigin.Bad);
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        var answer = await gateway.RefusedAsync("GET /health: status 503, expected 2xx");
        // The next check is an hour away, give or take a tenth.
        Assert.InRange(int.Parse(answer.Value("Retry-After")!, System.Globalization.CultureInfo.InvariantCulture), 3200, 3961);
        Assert.Equal(0, origin.Requests);
        Assert.Equal(1, origin.Checks);
        var events = gateway.Events();
        Assert.Contains(events, entry => entry.Name == "endpoint-unhealthy" && entry.Fields.Any(field => field.Text == "GET /health: status 503, expected 2xx"));
        Assert.Contains(events, entry => entry.Name == "service-unhealthy");
    }

    [Fact]
    public async Task Request_whose_body_is_still_to_come_is_refused_without_waiting_for_it()
    {
        await using var origin = new CheckedOrigin(CheckedOrigin.Bad);
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { shop: { endpoints: [ "{{origin.Url}}" ], health: { path: /health, every: 1h, timeout: 20s } } }
            routes: [ { service: shop, bufferRequests: 64KiB } ]
            """);
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nonly a part");
        Problem.Has(await client.ReadAnswerAsync(), 503, "unhealthy");
    }

    [Fact]
    public async Task Unhealthy_endpoint_comes_back_after_so_many_successes_and_not_before()
    {
        await using var origin = new CheckedOrigin(CheckedOrigin.Bad);
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 20ms, timeout: 20s, rise: 5, slowStart: off");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        var failed = gateway.Endpoint().Checks(ProbeVerdict.Failed);
        origin.Health = CheckedOrigin.Good;
        await gateway.HealthyAsync();
        Assert.True(gateway.Endpoint().Checks(ProbeVerdict.Passed) >= 5);
        Assert.True(gateway.Endpoint().Checks(ProbeVerdict.Failed) >= failed);
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Contains(gateway.Events(), entry => entry.Name == "endpoint-healthy");
        Assert.Contains(gateway.Events(), entry => entry.Name == "service-healthy");
    }

    [Fact]
    public async Task Healthy_endpoint_falls_after_so_many_failures_and_the_other_takes_the_traffic()
    {
        await using var one = new CheckedOrigin();
        await using var other = new CheckedOrigin();
        await using var gateway = HealthGateway.Start([one.Url, other.Url], $"path: /health, {HealthGateway.Quick}");
        await gateway.HealthyAsync(0);
        await gateway.HealthyAsync(1);
        one.Health = CheckedOrigin.Bad;
        await gateway.UnhealthyAsync(0);
        Assert.True(gateway.Endpoint(0).Checks(ProbeVerdict.Failed) >= 2);
        var before = one.Requests;
        for (var request = 0; request < 50; request++)
            Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal(before, one.Requests);
        Assert.Equal(50, other.Requests);
        Assert.Equal((ServiceCourse.Healthy, 1), (gateway.Health().Course, gateway.Health().Usable));
    }

    [Fact]
    public async Task Recovered_endpoint_starts_slowly()
    {
        await using var one = new CheckedOrigin(CheckedOrigin.Bad);
        await using var other = new CheckedOrigin();
        await using var gateway = HealthGateway.Start([one.Url, other.Url], "path: /health, every: 20ms, timeout: 20s, slowStart: 2s");
        await gateway.UnhealthyAsync(0);
        Assert.Equal(0, gateway.Endpoint(0).Share);
        one.Health = CheckedOrigin.Good;
        await gateway.HealthyAsync(0);
        var first = gateway.Endpoint(0).Share;
        Assert.InRange(first, 0.1, 0.5);
        await Eventually.HoldsAsync(() => gateway.Endpoint(0).Share is > 0.5f and < 1, "the share grows");
        await Eventually.HoldsAsync(() => gateway.Endpoint(0).Share >= 1, "the share is whole");
    }

    [Fact]
    public async Task Check_that_hangs_ends_with_its_time_and_is_not_made_twice_at_once()
    {
        await using var origin = new CheckedOrigin(health: "");
        origin.Health = null;
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 20ms, timeout: 150ms, fall: 2");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("GET /health: no answer within 150 ms");
        await origin.CheckedAsync(2);
        Assert.True(gateway.Endpoint().Checks(ProbeVerdict.TimedOut) >= 2);
        // Hanging checks leave their connection behind on the server; that the gateway has ended each before the next is what its own count says.
        Assert.InRange(gateway.Endpoint().LastCheck!.Took.TotalMilliseconds, 140, 2000);
    }

    [Fact]
    public async Task Nobody_listening_is_unhealthy_with_the_cause()
    {
        int port;
        await using (var gone = new CheckedOrigin())
            port = gone.Port;
        await using var gateway = HealthGateway.Start([$"http://127.0.0.1:{port}"], $"path: /health, {HealthGateway.Quick}");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("GET /health: the connection was refused");
        Assert.Equal(ProbeVerdict.Unreachable, gateway.Endpoint().LastCheck!.Report.Verdict);
    }

    [Theory]
    [InlineData("status: 204", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "status 200, expected 204")]
    [InlineData("status: [2xx, 401]", "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", null)]
    [InlineData("headers: { x-role: primary }", "HTTP/1.1 200 OK\r\nX-Role: replica\r\nContent-Length: 0\r\n\r\n", "the header x-role is replica, expected primary")]
    [InlineData("headers: { x-role: primary }", "HTTP/1.1 200 OK\r\nX-Role: primary\r\nContent-Length: 0\r\n\r\n", null)]
    [InlineData("headers: { x-role: { present: true } }", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the header x-role is missing")]
    [InlineData("headers: { content-type: { prefix: text/ } }", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n", null)]
    [InlineData("body: ready", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot there", "the body lacks \"ready\"")]
    [InlineData("body: ready", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nI am ready .", null)]
    [InlineData("json: { $.status: Healthy }", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"status\":\"Healthy\"}", null)]
    [InlineData("json: { $.status: Healthy }", "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"status\":\"Sad\"}", "$.status is Sad, expected Healthy")]
    [InlineData("json: { \"$.a['b c'][1]\": 2 }", "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"a\":{\"b c\":[1,2.0]}}", null)]
    [InlineData("json: { $.a: 1 }", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "$.a is missing")]
    [InlineData("json: { $.a: 1 }", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "the body is not JSON")]
    [InlineData("json: { $.a: true }", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the answer has no body, expected JSON")]
    public async Task Answer_is_held_against_what_is_expected(string expect, string answer, string? failure)
    {
        await using var origin = new CheckedOrigin(answer);
        await using var gateway = HealthGateway.Start([origin.Url], $"path: /health, every: 1h, timeout: 20s, expect: {{ {expect} }}");
        await Eventually.HoldsAsync(() => gateway.Endpoint().LastCheck is not null, "a check is made");
        Assert.Equal(failure is null ? null : $"GET /health: {failure}", gateway.Endpoint().LastCheck!.Report.Failure);
    }

    [Fact]
    public async Task Answer_that_comes_too_late_fails_although_it_is_right()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(60));
            while (await peer.ReadRequestAsync() is not null)
            {
                await timer.WaitForNextTickAsync();
                await timer.WaitForNextTickAsync();
                await peer.SendAsync(ScriptedOrigin.Answer("ok"));
            }
        });
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s, expect: { within: 50ms }");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        Assert.Matches("^GET /health: took [0-9]+ ms, expected within 50 ms$", gateway.Endpoint().LastCheck!.Report.Failure);
    }

    [Fact]
    public async Task Body_without_end_is_read_to_64_KiB_and_no_further()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
                await peer.SendAsync($"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n{new string('x', 70_000)}");
        });
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s, expect: { body: y }");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        Assert.Equal("GET /health: the body lacks \"y\" in its first 64 KiB", gateway.Endpoint().LastCheck!.Report.Failure);
    }

    [Fact]
    public async Task Steps_go_one_after_the_other_over_one_connection_and_the_first_that_fails_is_named()
    {
        var asked = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var origin = ScriptedOrigin.Start(async (peer, connection) =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                asked.Enqueue($"{connection} {request.Method} {request.Target} {request.Value("Authorization")} {Harness.WireText.Text(request.Body)}");
                await peer.SendAsync(ScriptedOrigin.Answer("{\"n\":1}", status: request.Target == "/health/third" ? 500 : 200));
            }
        });
        await using var gateway = HealthGateway.Start([origin.Url], """
            every: 1h, timeout: 20s, steps: [ { path: /health/first }, { method: POST, path: /health/second, headers: { Authorization: token }, body: "x=1", expect: { json: { $.n: 1 } } },
              { path: /health/third }, { path: /health/fourth } ]
            """);
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        Assert.Equal("GET /health/third: status 500, expected 2xx", gateway.Endpoint().LastCheck!.Report.Failure);
        Assert.Equal(["1 GET /health/first  ", "1 POST /health/second token x=1", "1 GET /health/third  "], asked);
    }

    [Fact]
    public async Task Checks_have_connections_of_their_own_which_end_with_them()
    {
        await using var origin = new CheckedOrigin();
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { shop: { endpoints: [ "{{origin.Url}}" ], maxConnections: 1, health: { path: /health, {{HealthGateway.Quick}} } } }
            routes: [ { service: shop } ]
            """);
        await origin.CheckedAsync(5);
        Assert.Equal(0, gateway.Service("shop").Endpoints[0].Open);
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        await origin.CheckedAsync(5);
        Assert.Equal(1, origin.MostChecks);
        Assert.Equal("malha-health", origin.LastCheck!.Value("User-Agent"));
        Assert.Null(origin.LastCheck.Value("traceparent"));
    }

    [Fact]
    public async Task Redirect_is_not_followed()
    {
        await using var elsewhere = new CheckedOrigin();
        await using var origin = new CheckedOrigin($"HTTP/1.1 302 Found\r\nLocation: {elsewhere.Url}/health\r\nContent-Length: 0\r\n\r\n");
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        await gateway.RefusedAsync("GET /health: status 302, expected 2xx");
        Assert.Equal(0, elsewhere.Checks);
    }

    [Fact]
    public async Task Reload_keeps_what_is_known_and_checks_in_the_new_way()
    {
        await using var origin = new CheckedOrigin(CheckedOrigin.Bad);
        await using var gateway = HealthGateway.Start([origin.Url], "path: /health, every: 1h, timeout: 20s");
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        // Other thresholds are no reason to check anew, and no reason to forget.
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(HealthGateway.File([origin.Url], "path: /health, every: 1h, timeout: 20s, rise: 1"))));
        Assert.Equal(ServiceCourse.Unhealthy, gateway.Health().Course);
        Assert.Equal(1, origin.Checks);
        // Another check is made at once, and by the new threshold one success is enough.
        origin.Health = CheckedOrigin.Good;
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(HealthGateway.File([origin.Url], "path: /health/deep, every: 1h, timeout: 20s, rise: 1"))));
        await gateway.HealthyAsync();
        Assert.Equal("/health/deep", origin.LastCheck!.Target);
        // Without health nothing is checked any more, and nobody is kept out.
        origin.Health = CheckedOrigin.Bad;
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(HealthGateway.File([origin.Url], "path: /health, every: 20ms, fall: 1"))));
        await gateway.BecomesAsync(ServiceCourse.Unhealthy);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(HealthGateway.File([origin.Url], "ejection: true"))));
        Assert.Equal(200, (await gateway.GetAsync()).Status);
        Assert.Equal(0, await Eventually.SettlesAsync(() => origin.Checks) - origin.Checks);
    }
}
