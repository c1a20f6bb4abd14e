using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Policies;

/// <summary>What a service that sends requests away is spared, over real connections: from when on, whose requests, and what is said.</summary>
public sealed class ThrottleTests
{
    private readonly FakeTimeProvider _time = new();
    private int _asked;
    private (int Status, string Field) _away = (503, "Retry-After: 7\r\n");

    [Fact]
    public async Task A_few_requests_sent_away_hold_nobody_back_and_many_hold_most_back()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 10; asked++)
            Assert.Equal("away", WireText.Text((await AskAsync(client)).Body));
        Assert.Equal(10, _asked);

        for (var asked = 0; asked < 490; asked++)
            await AskAsync(client);
        Assert.InRange(_asked, 20, 150);
        var refused = await RefusedAsync(client);
        var problem = Problem.Has(refused, 503, "throttled", "services.origin.throttle", 20, "requests", "connection_limit_reached");
        Assert.InRange(problem.GetProperty("observed").GetInt64(), 500, 520);
        Assert.Equal("7", refused.Value("Retry-After"));
        Assert.True(refused.KeepsConnection);
    }

    [Fact]
    public async Task Two_minutes_after_the_last_word_all_may_pass_again()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 300; asked++)
            await AskAsync(client);
        await RefusedAsync(client);
        _away = default;
        _time.Advance(TimeSpan.FromSeconds(126));
        await using var later = await gateway.ConnectAsync();
        for (var asked = 0; asked < 50; asked++)
            Assert.Equal(200, (await AskAsync(later)).Status);
    }

    [Fact]
    public async Task Client_that_is_sent_away_holds_back_no_other()
    {
        _away = (429, "");
        await using var origin = Origin(request => request.Fields.Any(field => field.Value == "spender"));
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            clients: { spender: { header: { name: X-Team, value: spender } }, saver: { header: { name: X-Team, value: saver } } }
            services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
            routes: [ { service: origin } ]
            """, _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 300; asked++)
            await AskAsync(client, "X-Team: spender\r\n");
        Assert.InRange(gateway.Service().State.Throttle.Refused, 150, 290);
        for (var asked = 0; asked < 50; asked++)
        {
            Assert.Equal(200, (await AskAsync(client, "X-Team: saver\r\n")).Status);
            Assert.Equal(200, (await AskAsync(client)).Status);
        }
    }

    /// <summary>A 429 means one caller; among those that nobody can tell apart it says nothing of the others.</summary>
    [Fact]
    public async Task Callers_that_are_nobody_in_particular_are_not_held_back_for_a_429()
    {
        _away = (429, "Retry-After: 7\r\n");
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 200; asked++)
            Assert.Equal("away", WireText.Text((await AskAsync(client)).Body));
    }

    [Fact]
    public async Task Off_is_off_and_a_reload_keeps_what_was_counted()
    {
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 300; asked++)
            await AskAsync(client);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url, "timeout: 7s"))));
        await RefusedAsync(client);
        Assert.Null(await gateway.Host.ReloadAsync(TestGateway.Read(TestGateway.File(origin.Url, "throttle: off"))));
        for (var asked = 0; asked < 50; asked++)
            Assert.Equal("away", WireText.Text((await AskAsync(client)).Body));
    }

    [Fact]
    public async Task Service_that_fails_is_no_service_that_sends_away()
    {
        _away = (503, "");
        await using var origin = Origin();
        await using var gateway = TestGateway.Before(origin, time: _time);
        await using var client = await gateway.ConnectAsync();
        for (var asked = 0; asked < 200; asked++)
            Assert.Equal("away", WireText.Text((await AskAsync(client)).Body));
    }

    private ScriptedOrigin Origin(Func<WireRequest, bool>? sendsAway = null) => ScriptedOrigin.Answering(request =>
    {
        Interlocked.Increment(ref _asked);
        return _away.Status == 0 || sendsAway?.Invoke(request) == false
            ? ScriptedOrigin.Answer("ok") : ScriptedOrigin.Answer("away", _away.Field, _away.Status);
    });

    /// <summary>The next answer that is the gateway's own.</summary>
    private async Task<WireAnswer> RefusedAsync(Peer client)
    {
        for (var asked = 1; asked <= 50; asked++)
        {
            var answer = await AskAsync(client);
            if (WireText.Text(answer.Body) is not ("away" or "ok"))
                return answer;
        }
        Assert.Fail("nothing is held back");
        return null!;
    }

    private static async Task<WireAnswer> AskAsync(Peer client, string field = "")
    {
        await client.SendAsync($"GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n");
        return await client.ReadAnswerAsync();
    }
}
