using System.Net;
using System.Text.Json;
using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Operations;

/// <summary>`malha breaker` against a running gateway: what it changes, what it says, how it ends.</summary>
public sealed class BreakerCommandTests
{
    [Fact]
    public async Task Opened_refuses_with_the_command_as_the_rule_and_auto_lets_pass_again()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        var opened = await OperatorCommand.RunAsync(gateway, "breaker", "open", "web", "--for", "90s", "--json");
        Assert.Equal((0, ""), (opened.Code, opened.Error));
        var breaker = Assert.Single(opened.Json.GetProperty("items").EnumerateArray());
        Assert.Equal(("open", "open", "manual"), (breaker.GetProperty("state").GetString(), breaker.GetProperty("mode").GetString(), breaker.GetProperty("rule").GetString()));
        Assert.InRange(breaker.GetProperty("modeLeftMs").GetDouble(), 80_000, 90_000);

        using (var refused = await gateway.SendAsync("/"))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 80, 90);
            var problem = JsonDocument.Parse(await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
            Assert.Equal("malha breaker open", problem.GetProperty("rule").GetString());
        }
        var services = (await gateway.AskAsync("/api/v1/services")).Json.GetProperty("items");
        Assert.Equal([0, 1], services.EnumerateArray().Select(service => service.GetProperty("breakersOpen").GetInt32()));
        var said = await gateway.LogLineAsync(line => line.GetProperty("event").GetString() == "breaker-mode");
        Assert.Equal(("web", "open", 90_000), (said.GetProperty("service").GetString(), said.GetProperty("mode").GetString(), said.GetProperty("forMs").GetDouble()));

        Assert.Equal(0, (await OperatorCommand.RunAsync(gateway, "breaker", "auto", "web")).Code);
        using var passed = await gateway.SendAsync("/");
        Assert.Equal(HttpStatusCode.OK, passed.StatusCode);
    }

    [Theory]
    [InlineData("close", "closed")]
    [InlineData("shadow", "shadow")]
    [InlineData("disable", "disabled")]
    public async Task Each_word_is_the_mode_that_the_list_shows(string word, string mode)
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        var set = await OperatorCommand.RunAsync(gateway, "breaker", word, "web", "--endpoint", origin.Url.Authority);
        Assert.Equal((0, ""), (set.Code, set.Error));
        Assert.Contains($"{mode} for 10m", set.Output, StringComparison.Ordinal);
        var listed = await OperatorCommand.RunAsync(gateway, "breaker", "list", "web", "--json");
        Assert.Equal(mode, listed.Json.GetProperty("items")[0].GetProperty("mode").GetString());
        Assert.DoesNotContain('\e', set.Output);
    }

    [Fact]
    public async Task Misspelt_service_ends_with_1_and_says_which_was_meant()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        var words = await OperatorCommand.RunAsync(gateway, "breaker", "open", "payment");
        Assert.Equal((1, "", "malha: There is no service 'payment'; did you mean 'payments'?\n"), (words.Code, words.Output, words.Error));
        var json = await OperatorCommand.RunAsync(gateway, "breaker", "open", "payment", "--json");
        Assert.Equal((1, "urn:malha:problem:not-found"), (json.Code, json.Json.GetProperty("type").GetString()));
        var endpoint = await OperatorCommand.RunAsync(gateway, "breaker", "open", "web", "--endpoint", "127.0.0.1:9");
        Assert.Equal(1, endpoint.Code);
        Assert.Contains($"it has {origin.Url.GetLeftPart(UriPartial.Authority)}", endpoint.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Command_lines_without_sense_end_with_2()
    {
        foreach (var arguments in (string[][])
            [["breaker"], ["breaker", "open"], ["breaker", "open", "web", "--for", "5"], ["breaker", "auto", "web", "--for", "5s"], ["breaker", "open", "web", "--admin", "no address"],
             ["drain"], ["drain", "x", "--undo", "--wait"], ["drain", "x", "--timeout", "5s"], ["why"]])
        {
            var told = await OperatorCommand.RunInAsync([], arguments);
            Assert.True(told.Code == 2, $"malha {string.Join(' ', arguments)} ended with {told.Code}: {told.Error}");
            Assert.StartsWith("malha: ", told.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Word_that_would_hold_for_ever_or_is_none_is_refused()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        var tooLong = await OperatorCommand.RunAsync(gateway, "breaker", "open", "web", "--for", "169h");
        Assert.Equal(1, tooLong.Code);
        Assert.Contains("7 days", tooLong.Error, StringComparison.Ordinal);
        foreach (var body in (string[])["""{ "mode": "opn" }""", "{}", "[]", """{ "mode": "open", "forMs": 0 }""", """{ "mode": "open", "forMs": "5" }"""])
        {
            var (status, problem) = await gateway.AskAsync("/api/v1/breakers/web", HttpMethod.Post, gateway.Token, body);
            Assert.Equal((HttpStatusCode.BadRequest, "urn:malha:problem:bad-query"), (status, problem.GetProperty("type").GetString()));
        }
    }

    [Fact]
    public async Task Who_shows_no_token_or_a_wrong_one_changes_nothing_and_is_told()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        var nowhere = Directory.CreateTempSubdirectory("malha-nowhere-").FullName;
        foreach (var (token, words) in new[] { ("wrong", "it is wrong"), (null, "there is none") })
        {
            var told = await OperatorCommand.RunInAsync(
                new() { ["MALHA_ADMIN"] = gateway.Admin, ["MALHA_TOKEN"] = token, ["XDG_RUNTIME_DIR"] = nowhere }, "breaker", "open", "web");
            Assert.Equal((3, ""), (told.Code, told.Output));
            Assert.Contains(words, told.Error, StringComparison.Ordinal);
            Assert.Contains("MALHA_TOKEN", told.Error, StringComparison.Ordinal);
        }
        using var passed = await gateway.SendAsync("/");
        Assert.Equal(HttpStatusCode.OK, passed.StatusCode);
        Directory.Delete(nowhere);
    }

    [Fact]
    public async Task Without_any_hint_the_gateway_that_runs_here_is_found_by_its_token_file()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        var home = Directory.CreateTempSubdirectory("malha-home-");
        var folder = home.CreateSubdirectory("malha").FullName;
        var file = gateway.Role.Server!.TokenFile!;
        File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        // Of a gateway that was killed.
        await File.WriteAllTextAsync(Path.Combine(folder, "admin-1.token"), "stale", TestContext.Current.CancellationToken);
        var found = await OperatorCommand.RunInAsync(new() { ["XDG_RUNTIME_DIR"] = home.FullName }, "breaker", "open", "web");
        Assert.Equal((0, ""), (found.Code, found.Error));
        home.Delete(recursive: true);
    }

    [Fact]
    public async Task Gateway_that_is_not_there_ends_with_3()
    {
        var told = await OperatorCommand.RunInAsync([], "breaker", "list", "--admin", "127.0.0.1:1");
        Assert.Equal((3, ""), (told.Code, told.Output));
        Assert.StartsWith("malha: cannot reach the admin API at http://127.0.0.1:1: ", told.Error, StringComparison.Ordinal);

        await using var stranger = RecordingOrigin.Start();
        var strange = await OperatorCommand.RunInAsync([], "breaker", "list", "--admin", stranger.Url.Authority);
        Assert.Equal(3, strange.Code);
        Assert.Contains("not as Malha's admin API does", strange.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Top_shows_every_service_with_what_it_bears()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        (await gateway.SendAsync("/")).Dispose();
        (await gateway.SendAsync("/pay")).Dispose();
        await OperatorCommand.RunAsync(gateway, "breaker", "open", "web");
        var told = await OperatorCommand.RunAsync(gateway, "top");
        Assert.Equal((0, ""), (told.Code, told.Error));
        var lines = told.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, lines.Length);
        Assert.Matches(@"^payments\s+1\s+0\s+20\s+0\s+1\s+\S+ms\s+1$", lines[1]);
        Assert.Matches(@"^web\s.*\s1 breaker open$", lines[2]);
        var json = (await OperatorCommand.RunAsync(gateway, "top", "--json")).Json;
        Assert.Equal(2, json.GetProperty("services").GetProperty("items").GetArrayLength());
        Assert.Equal(20, json.GetProperty("admission").GetProperty("items")[0].GetProperty("limit").GetInt32());
    }

    private static Task<RunningGateway> StartAsync(RecordingOrigin origin) => RunningGateway.StartAsync($$"""
        services:
          web: { endpoints: [ "{{origin.Url.GetLeftPart(UriPartial.Authority)}}" ], breaker: {} }
          payments: { endpoints: [ http://127.0.0.1:1 ] }
        routes:
          - { match: { path: /pay }, service: payments }
          - { service: web }

        """);
}
