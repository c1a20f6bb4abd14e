using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy;
using Malha.Proxy.Telemetry.Decisions;

namespace Malha.IntegrationTests.Policies;

/// <summary>What is remembered of retries: the back-off after each attempt, and why no other was made.</summary>
public sealed class DecisionTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const string Post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345";

    [Fact]
    public async Task Each_attempt_tells_its_back_off_and_the_last_why_there_is_no_other()
    {
        await using var origin = Failing();
        await using var gateway = TestGateway.Before(origin, "retry: { attempts: 3, backoff: linear, base: 2ms, max: 100ms }");
        var decision = await DecideAsync(gateway, Get);
        Assert.Equal([NextStep.Retried, NextStep.Retried, NextStep.AttemptsSpent], decision.Attempts.Select(attempt => attempt.Next));
        Assert.Equal([2, 4, 0], decision.Attempts.Select(attempt => attempt.Delay.TotalMilliseconds));
        for (var index = 1; index < 3; index++)
        {
            var (before, after) = (decision.Attempts[index - 1], decision.Attempts[index]);
            Assert.True(after.Start >= before.Start + before.Duration + before.Delay - TimeSpan.FromMilliseconds(1), "it was waited for as long as is told");
        }
    }

    [Fact]
    public async Task Success_after_a_failure_has_nothing_to_explain()
    {
        var asked = 0;
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("x", status: ++asked == 1 ? 500 : 200));
        await using var gateway = TestGateway.Before(origin, "retry: { attempts: 3, base: 1ms, max: 1ms }");
        var decision = await DecideAsync(gateway, Get);
        Assert.Equal((RefusalKind.None, 200), (decision.Refusal.Kind, decision.Status));
        Assert.Equal([NextStep.Retried, NextStep.None], decision.Attempts.Select(attempt => attempt.Next));
    }

    [Theory]
    [InlineData("retry: { attempts: 3, base: 1ms, max: 1ms }", Post, nameof(NextStep.NotIdempotent))]
    [InlineData("retry: { attempts: 3, base: 10s, max: 10s, backoff: linear }, timeout: 5s", Get, nameof(NextStep.DeadlineTooNear))]
    [InlineData("retry: { attempts: 1 }", Get, nameof(NextStep.AttemptsSpent))]
    [InlineData("retry: { attempts: 3, base: 1ms, max: 1ms }, attemptTimeout: 10s",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n", nameof(NextStep.BodyGone), 70_000)]
    public async Task Failure_that_is_passed_on_tells_why_it_was_not_repeated(string service, string request, string expected, int body = 0)
    {
        await using var origin = Failing();
        await using var gateway = TestGateway.Before(origin, service);
        var decision = await DecideAsync(gateway, request + new string('x', body));
        Assert.Equal((RefusalKind.None, 500, 1), (decision.Refusal.Kind, decision.Status, decision.AttemptCount));
        Assert.Equal(expected, decision.Attempts[0].Next.ToString());
    }

    [Fact]
    public async Task Spent_budget_is_told()
    {
        await using var origin = Failing();
        await using var gateway = TestGateway.Before(origin, "retry: { attempts: 2, base: 1ms, max: 1ms, budget: 10% }");
        var steps = new List<NextStep>();
        // The floor of one retry a second, over ten seconds.
        for (var asked = 0; asked < 14; asked++)
            steps.Add((await DecideAsync(gateway, Get)).Attempts[0].Next);
        Assert.Equal(NextStep.Retried, steps[0]);
        Assert.Equal(NextStep.BudgetSpent, steps[^1]);
    }

    [Fact]
    public async Task Refused_connection_leads_to_another_endpoint_at_once_and_no_policy_is_told()
    {
        await using var gateway = TestGateway.Start("""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "http://127.0.0.1:1", "http://127.0.0.2:1" ] } }
            routes: [ { service: origin } ]
            """);
        var decision = await DecideAsync(gateway, Get);
        Assert.Equal(RefusalKind.ConnectFailed, decision.Refusal.Kind);
        Assert.Equal([NextStep.OtherEndpoint, NextStep.NoPolicy], decision.Attempts.Select(attempt => attempt.Next));
    }

    [Fact]
    public async Task Failure_without_a_policy_is_no_decision()
    {
        await using var origin = Failing();
        await using var gateway = TestGateway.Before(origin);
        await gateway.GetAsync();
        Problem.Has(await gateway.AskAsync("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400, "malformed-request");
        await Eventually.HoldsAsync(() => gateway.Host.Telemetry.Decisions.Count == 1, "the refusal alone is one");
    }

    private static ScriptedOrigin Failing() => ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("no", status: 500));

    private static async Task<Decision> DecideAsync(TestGateway gateway, string request)
    {
        var answer = await gateway.AskAsync(request);
        var id = answer.Value("X-Request-Id")!;
        Decision? decision = null;
        await Eventually.HoldsAsync(() => (decision = gateway.Host.Telemetry.Decisions.Find(id)) is not null, "the decision is written");
        return decision!;
    }
}
