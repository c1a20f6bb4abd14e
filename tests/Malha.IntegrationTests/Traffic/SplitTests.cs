using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Requests of one route that are divided among services.</summary>
public sealed class SplitTests
{
    [Fact]
    public async Task Each_client_meets_one_version_and_both_are_met()
    {
        await using var first = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("v1"));
        await using var second = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("v2"));
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { v1: { endpoints: [ "{{first.Url}}" ] }, v2: { endpoints: [ "{{second.Url}}" ], maxBody: 1KiB } }
            routes: [ { split: { v1: 50%, v2: 50% }, splitOn: "header:X-User" } ]
            """);
        await using var client = await gateway.ConnectAsync();
        async Task<string> AskAsync(int user)
        {
            await client.SendAsync($"GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n");
            return WireText.Text((await client.ReadAnswerAsync()).Body);
        }

        var versions = new string[40];
        for (var user = 0; user < versions.Length; user++)
            versions[user] = await AskAsync(user);
        Assert.Equal(["v1", "v2"], versions.Distinct().Order());
        for (var user = 0; user < versions.Length; user++)
            Assert.Equal(versions[user], await AskAsync(user));

        // What holds for a request is what holds at the service that it goes to.
        var large = Array.IndexOf(versions, "v2");
        var refused = await gateway.AskAsync($"POST / HTTP/1.1\r\nHost: a\r\nX-User: {large}\r\nContent-Length: 2000\r\n\r\n", "POST");
        Assert.Equal(413, refused.Status);
        Assert.Contains("services.v2.maxBody", WireText.Text(refused.Body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Route_may_take_larger_bodies_than_its_service()
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer($"{request.Body.Length}"));
        await using var gateway = TestGateway.Before(origin, service: "maxBody: 1KiB", route: "maxBody: 3KiB");
        static string Post(int length) => $"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{new string('x', length)}";
        Assert.Equal("2000", WireText.Text((await gateway.AskAsync(Post(2000), "POST")).Body));
        var refused = await gateway.AskAsync(Post(4000), "POST");
        Assert.Equal(413, refused.Status);
        Assert.Contains("routes[0].maxBody", WireText.Text(refused.Body), StringComparison.Ordinal);
    }
}
