using System.Globalization;
using System.Net;
using System.Text.Json;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Admin;

public sealed class AdminApiTests
{
    private const string TwoRoutes = """
        services:
          web: { endpoints: [ ORIGIN ], timeout: 2s, maxBody: 1KiB }
          gone: { endpoints: [ http://127.0.0.1:1 ] }
        routes:
          - { name: gone, match: { path: /gone/** }, service: gone }
          - { match: { path: /**, headers: { x-kind: { prefix: a } } }, service: web }
          - { match: { path: /**, methods: [ GET, POST ] }, service: web, timeout: 1s }

        """;

    [Fact]
    public async Task Services_endpoints_routes_and_listeners_say_what_is_and_what_was()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        for (var count = 0; count < 3; count++)
            (await gateway.SendAsync("/a")).Dispose();
        (await gateway.SendAsync("/gone/b")).Dispose();

        var services = (await gateway.AskAsync("/api/v1/services")).Json.GetProperty("items");
        Assert.Equal(["gone", "web"], services.EnumerateArray().Select(service => service.GetProperty("name").GetString()));
        var web = services[1];
        Assert.Equal((2000, 1024, 3), (web.GetProperty("timeoutMs").GetDouble(), web.GetProperty("maxBodyBytes").GetInt64(), web.GetProperty("attempts").GetProperty("count").GetInt64()));
        Assert.Equal(1, services[0].GetProperty("attempts").GetProperty("byRefusal").GetProperty("connect-failed").GetInt64());

        var endpoint = (await gateway.AskAsync("/api/v1/services/web/endpoints")).Json.GetProperty("items")[0];
        Assert.Equal($"http://127.0.0.1:{origin.Port}", endpoint.GetProperty("url").GetString());
        Assert.Equal((1, 0, 1), (endpoint.GetProperty("openConnections").GetInt32(), endpoint.GetProperty("inFlight").GetInt32(), endpoint.GetProperty("connects").GetInt64()));

        var routes = (await gateway.AskAsync("/api/v1/routes")).Json.GetProperty("items");
        Assert.Equal(["gone", "routes[1]", "routes[2]"], routes.EnumerateArray().Select(route => route.GetProperty("name").GetString()));
        Assert.Equal("prefix", routes[1].GetProperty("match").GetProperty("headers").GetProperty("x-kind").GetProperty("kind").GetString());
        Assert.Equal(3, routes[2].GetProperty("requests").GetProperty("byStatus").GetProperty("200").GetInt64());
        Assert.Equal(1000, routes[2].GetProperty("timeoutMs").GetDouble());

        var listener = (await gateway.AskAsync("/api/v1/listeners")).Json.GetProperty("items")[0];
        Assert.Equal(($"127.0.0.1:{gateway.Port}", 1), (listener.GetProperty("address").GetString(), listener.GetProperty("accepted").GetInt64()));
    }

    [Fact]
    public async Task Lists_come_in_pages_that_together_are_the_list()
    {
        var names = Enumerable.Range(0, 23).Select(index => string.Create(CultureInfo.InvariantCulture, $"s{index:00}")).ToArray();
        var yaml = "services:\n" + string.Concat(names.Select(name => $"  {name}: {{ endpoints: [ http://127.0.0.1:1 ] }}\n"))
            + "routes:\n" + string.Concat(names.Select(name => $"  - {{ match: {{ path: /{name} }}, service: {name} }}\n"));
        await using var gateway = await RunningGateway.StartAsync(yaml);

        foreach (var (path, key) in ((string, string)[])[("/api/v1/services?", "name"), ("/api/v1/routes?", "index")])
        {
            var seen = new List<string>();
            string? after = null;
            var pages = 0;
            do
            {
                var page = (await gateway.AskAsync($"{path}limit=10{(after is null ? "" : $"&after={after}")}")).Json;
                seen.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty(key).ToString()));
                after = page.GetProperty("next").GetString();
                pages++;
            }
            while (after is not null);
            Assert.Equal(3, pages);
            Assert.Equal(23, seen.Count);
            Assert.Equal(23, seen.Distinct().Count());
        }

        foreach (var bad in (string[])["limit=0", "limit=1001", "limit=ten", "after=nobody"])
        {
            var (status, problem) = await gateway.AskAsync("/api/v1/services?" + bad);
            Assert.Equal((HttpStatusCode.BadRequest, "urn:malha:problem:bad-query"), (status, problem.GetProperty("type").GetString()));
        }
    }

    [Fact]
    public async Task The_configuration_is_shown_with_its_origins_and_without_its_secrets()
    {
        await using var gateway = await RunningGateway.StartAsync(
            "services: { web: { endpoints: [ http://127.0.0.1:1 ], timeout: 3s } }\nroutes: [ { match: { path: /** }, service: web } ]\n", "{ address: 127.0.0.1:0, token: env:ADMIN_TOKEN }");
        using var whole = await gateway.Client.GetAsync(gateway.Admin + "/api/v1/config?limit=1000", TestContext.Current.CancellationToken);
        var text = await whole.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.DoesNotContain("the-configured-token", text, StringComparison.Ordinal);
        var config = JsonDocument.Parse(text).RootElement;
        Assert.Equal((1, gateway.File), (config.GetProperty("version").GetInt64(), config.GetProperty("file").GetString()));
        Assert.Equal(JsonValueKind.Null, config.GetProperty("lastReload").ValueKind);
        var settings = config.GetProperty("settings").GetProperty("items").EnumerateArray().ToDictionary(setting => setting.GetProperty("path").GetString()!);
        Assert.Equal("*** (env:ADMIN_TOKEN)", settings["admin.token"].GetProperty("value").GetString());
        Assert.Equal("3s", settings["services.web.timeout"].GetProperty("value").GetString());
        Assert.StartsWith(gateway.File + ":", settings["services.web.timeout"].GetProperty("origin").GetString());
        Assert.StartsWith("default", settings["services.web.connectTimeout"].GetProperty("origin").GetString());

        var part = (await gateway.AskAsync("/api/v1/config?path=services.web")).Json.GetProperty("settings").GetProperty("items");
        Assert.All(part.EnumerateArray(), setting => Assert.StartsWith("services.web", setting.GetProperty("path").GetString()));
    }

    [Fact]
    public async Task A_good_reload_comes_into_force_and_a_bad_one_is_told()
    {
        await using var gateway = await RunningGateway.StartAsync("routes: [ { match: { path: /** }, respond: { status: 204 } } ]\n");
        var good = await File.ReadAllTextAsync(gateway.File, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(gateway.File, good + "nonsense: 1\n", TestContext.Current.CancellationToken);
        var (status, problem) = await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, gateway.Token);
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "urn:malha:problem:reload-refused"), (status, problem.GetProperty("type").GetString()));
        Assert.Contains("nonsense", problem.GetProperty("problems")[0].GetString());

        var config = (await gateway.AskAsync("/api/v1/config")).Json;
        Assert.Equal(1, config.GetProperty("version").GetInt64());
        Assert.False(config.GetProperty("lastReload").GetProperty("good").GetBoolean());
        Assert.Contains("nonsense", config.GetProperty("lastReload").GetProperty("problems")[0].GetString());
        var refused = gateway.Log().First(line => line.GetProperty("event").GetString() == "reload-refused");
        Assert.Equal("error", refused.GetProperty("level").GetString());

        await File.WriteAllTextAsync(gateway.File, good.Replace("204", "205", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        (status, var reloaded) = await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, gateway.Token);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True(reloaded.GetProperty("good").GetBoolean());
        using var answer = await gateway.SendAsync("/");
        Assert.Equal(205, (int)answer.StatusCode);
    }

    [Fact]
    public async Task The_admin_API_follows_its_own_settings()
    {
        const string Routes = "routes: [ { match: { path: /** }, respond: { status: 204 } } ]\n";
        await using var gateway = await RunningGateway.StartAsync(Routes);
        var token = gateway.Token;
        var tokenFile = gateway.Role.Server!.TokenFile!;
        var yaml = await File.ReadAllTextAsync(gateway.File, TestContext.Current.CancellationToken);

        // A token of the file's takes the made one's place at once.
        Environment.SetEnvironmentVariable("MALHA_TESTS_ADMIN_TOKEN", "from-the-file");
        await ChangeAsync(yaml.Replace("admin: { address: 127.0.0.1:0 }", "admin: { address: 127.0.0.1:0, token: env:MALHA_TESTS_ADMIN_TOKEN }", StringComparison.Ordinal), token);
        Assert.False(File.Exists(tokenFile));
        Assert.Equal(HttpStatusCode.Unauthorized, (await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, token)).Status);
        Assert.Equal(HttpStatusCode.OK, (await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, "from-the-file")).Status);

        // Another address moves it.
        var before = gateway.Admin;
        await ChangeAsync(yaml.Replace("admin: { address: 127.0.0.1:0 }", "admin: { address: \"localhost:0\" }", StringComparison.Ordinal), "from-the-file");
        Assert.NotEqual(before, gateway.Admin);
        Assert.Equal(HttpStatusCode.OK, (await gateway.AskAsync("/api/v1/config")).Status);
        await Assert.ThrowsAsync<HttpRequestException>(() => gateway.Client.GetAsync(before + "/livez", TestContext.Current.CancellationToken));

        // Without the section there is none.
        await ChangeAsync(yaml.Replace("admin: { address: 127.0.0.1:0 }\n", "", StringComparison.Ordinal), gateway.Token);
        Assert.Null(gateway.Role.Server);

        async Task ChangeAsync(string text, string presented)
        {
            await File.WriteAllTextAsync(gateway.File, text, TestContext.Current.CancellationToken);
            // The watcher may be faster than we are, and the answer may be cut by the move.
            try
            {
                await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, presented);
            }
            catch (HttpRequestException)
            {
                // Moved.
            }
            var expected = text.Contains("admin:", StringComparison.Ordinal);
            using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
            while ((gateway.Host.Plane.Model.Config.Admin is not null) != expected)
                await poll.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            await gateway.Role.Applied;
        }
    }

    [Fact]
    public async Task A_refusal_can_be_looked_up_by_its_id()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        using var answer = await gateway.SendAsync("/gone/x?token=hush");
        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;

        // The answer itself says where.
        await gateway.LogLineAsync(line => line.TryGetProperty("target", out _));
        var (status, decision) = await gateway.AskAsync(problem.GetProperty("instance").GetString()!);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(answer.Headers.GetValues("X-Request-Id").Single(), decision.GetProperty("id").GetString());
        Assert.Equal(("refused", 502, "gone"), (decision.GetProperty("outcome").GetString(), decision.GetProperty("status").GetInt32(), decision.GetProperty("route").GetString()));
        Assert.Equal("/gone/x?token=***", decision.GetProperty("target").GetString());
        Assert.Equal(problem.GetProperty("type").GetString(), decision.GetProperty("refusal").GetProperty("type").GetString());
        Assert.Equal("connect-failed", decision.GetProperty("attempts")[0].GetProperty("failure").GetString());

        var (missing, nothing) = await gateway.AskAsync("/api/v1/decisions/no-such-request");
        Assert.Equal((HttpStatusCode.NotFound, "urn:malha:problem:not-found"), (missing, nothing.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task Cut_answers_malformed_requests_and_methods_that_no_route_takes_are_decisions()
    {
        await using var origin = RecordingOrigin.Start();
        origin.Script("/cut", OriginScript.SendThenClose(WireText.Bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot so many")));
        await using var gateway = await StartAsync(origin);
        await using (var client = await RawClient.ConnectAsync(gateway.Port, TestContext.Current.CancellationToken))
        {
            await client.SendAsync(WireText.Bytes("GET /cut HTTP/1.1\r\nHost: a\r\nX-Request-Id: cut\r\n\r\n"));
            await client.ReadToEndAsync();
        }
        await gateway.LogLineAsync(line => line.TryGetProperty("requestId", out var id) && id.GetString() == "cut");
        await using (var client = await RawClient.ConnectAsync(gateway.Port, TestContext.Current.CancellationToken))
        {
            await client.SendAsync(WireText.Bytes("DELETE / HTTP/1.1\r\nHost: a\r\nX-Request-Id: method\r\n\r\nGET / HTTP/1.1\r\nX-Request-Id: malformed\r\n\r\n"));
            await client.ReadToEndAsync();
        }
        await gateway.LogLineAsync(line => line.TryGetProperty("requestId", out var id) && id.GetString() == "malformed");

        var decisions = (await gateway.AskAsync("/api/v1/decisions")).Json.GetProperty("items").EnumerateArray()
            .Select(decision => (decision.GetProperty("id").GetString(), decision.GetProperty("outcome").GetString(), decision.GetProperty("status").GetInt32())).ToArray();
        Assert.Equal([("malformed", "refused", 400), ("method", "refused", 405), ("cut", "cut", 200)], decisions);
        var malformed = (await gateway.AskAsync("/api/v1/decisions/malformed")).Json.GetProperty("refusal");
        Assert.Equal("http.missing-host", malformed.GetProperty("rule").GetString());

        var page = (await gateway.AskAsync("/api/v1/decisions?limit=2")).Json;
        var rest = (await gateway.AskAsync("/api/v1/decisions?limit=2&after=" + page.GetProperty("next").GetString())).Json;
        Assert.Equal("cut", Assert.Single(rest.GetProperty("items").EnumerateArray()).GetProperty("id").GetString());
        Assert.Equal(JsonValueKind.Null, rest.GetProperty("next").ValueKind);
    }

    [Fact]
    public async Task While_it_drains_the_gateway_lives_but_is_not_ready()
    {
        await using var gateway = await RunningGateway.StartAsync("routes: [ { match: { path: /** }, respond: { status: 204 } } ]\n");
        Assert.Equal(HttpStatusCode.OK, (await gateway.Client.GetAsync(gateway.Admin + "/readyz", TestContext.Current.CancellationToken)).StatusCode);
        await gateway.Host.DrainAsync(TimeSpan.FromSeconds(5));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await gateway.Client.GetAsync(gateway.Admin + "/readyz", TestContext.Current.CancellationToken)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await gateway.Client.GetAsync(gateway.Admin + "/livez", TestContext.Current.CancellationToken)).StatusCode);
        Assert.Contains(gateway.Log(), line => line.GetProperty("event").GetString() == "draining");
    }

    private static Task<RunningGateway> StartAsync(RecordingOrigin origin) =>
        RunningGateway.StartAsync(TwoRoutes.Replace("ORIGIN", origin.Url.ToString().TrimEnd('/'), StringComparison.Ordinal));
}
