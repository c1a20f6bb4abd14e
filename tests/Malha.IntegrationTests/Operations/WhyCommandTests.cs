using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Operations;

/// <summary>`malha why`: a refusal and a retry, in words and as JSON.</summary>
public sealed class WhyCommandTests
{
    [Fact]
    public async Task Refused_request_is_told_with_its_rule_limit_and_what_was_measured()
    {
        await using var origin = Failing();
        await using var gateway = await StartAsync(origin);
        for (var failure = 0; failure < 3; failure++)
            (await gateway.SendAsync("/plain")).Dispose();
        var id = await AskAsync(gateway, "/plain?key=hush");

        var told = await OperatorCommand.RunAsync(gateway, "why", id);
        Assert.Equal((0, ""), (told.Code, told.Error));
        foreach (var words in (string[])
            ["refused 503: The service's circuit breaker is open", "GET /plain?key=***", "services.plain.breaker.consecutive", "3, limit 3 (failures)", "retry after", "service plain", id])
            Assert.Contains(words, told.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", told.Output, StringComparison.Ordinal);

        // Whoever has the problem document copies its instance.
        var json = await OperatorCommand.RunAsync(gateway, "why", "/api/v1/decisions/" + id, "--json");
        Assert.Equal((0, id), (json.Code, json.Json.GetProperty("id").GetString()));
        Assert.Equal(3, json.Json.GetProperty("refusal").GetProperty("observed").GetDouble());
    }

    [Fact]
    public async Task Retried_request_is_told_with_every_attempt_and_back_off()
    {
        await using var origin = Failing();
        await using var gateway = await StartAsync(origin);
        var id = await AskAsync(gateway, "/retried");
        var told = await OperatorCommand.RunAsync(gateway, "why", id);
        Assert.Equal((0, ""), (told.Code, told.Error));
        var lines = told.Output.Split('\n');
        Assert.StartsWith("retried 500", lines[0], StringComparison.Ordinal);
        Assert.Contains("2 attempts:", told.Output, StringComparison.Ordinal);
        Assert.Contains(lines, line => line.Contains(origin.Url, StringComparison.Ordinal) && line.Contains("retried after a back-off of 3ms", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("no retry: as many attempts as retry.attempts allows", StringComparison.Ordinal));

        var json = (await OperatorCommand.RunAsync(gateway, "why", id, "--json")).Json.GetProperty("attempts");
        Assert.Equal(["retried", "attempts-spent"], json.EnumerateArray().Select(attempt => attempt.GetProperty("next").GetString()));
        Assert.Equal(3, json[0].GetProperty("delayMs").GetDouble());
    }

    [Fact]
    public async Task Unknown_request_ends_with_1_and_says_what_to_do()
    {
        await using var origin = Failing();
        await using var gateway = await StartAsync(origin);
        var told = await OperatorCommand.RunAsync(gateway, "why", "no-such-request");
        Assert.Equal((1, ""), (told.Code, told.Output));
        Assert.Contains("Nothing is known about a request 'no-such-request'", told.Error, StringComparison.Ordinal);
        Assert.Contains("X-Request-Id", told.Error, StringComparison.Ordinal);
    }

    private static ScriptedOrigin Failing() => ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("no", status: 500));

    // Its id, once the decision is written.
    private static async Task<string> AskAsync(RunningGateway gateway, string target)
    {
        using var answer = await gateway.SendAsync(target);
        var id = answer.Headers.GetValues("X-Request-Id").Single();
        await Eventually.HoldsAsync(() => gateway.Host.Telemetry.Decisions.Find(id) is not null, "the decision is written");
        return id;
    }

    private static Task<RunningGateway> StartAsync(ScriptedOrigin origin) => RunningGateway.StartAsync($$"""
        services:
          plain: { endpoints: [ "{{origin.Url}}" ], breaker: { consecutive: 3 } }
          retried: { endpoints: [ "{{origin.Url}}" ], retry: { attempts: 2, backoff: linear, base: 3ms, max: 1s } }
        routes:
          - { match: { path: /plain }, service: plain }
          - { service: retried }

        """);
}
