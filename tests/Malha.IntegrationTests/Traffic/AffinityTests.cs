using System.Globalization;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Requests that stay with one endpoint.</summary>
public sealed class AffinityTests
{
    private const int Users = 60;

    [Fact]
    public async Task Sessions_stay_where_they_are_and_only_those_of_an_endpoint_that_goes_move()
    {
        await using var origins = new Origins(3);
        await using var gateway = TestGateway.Start(origins.Yaml(3));
        await using var client = await gateway.ConnectAsync();
        var first = await AskAllAsync(client);
        Assert.Equal(["0", "1", "2"], first.Distinct().Order());
        Assert.Equal(first, await AskAllAsync(client));

        // Another gateway agrees without being told, and one that has lost an endpoint moves the sessions of that one only.
        await using var other = TestGateway.Start(origins.Yaml(2));
        await using var otherClient = await other.ConnectAsync();
        var second = await AskAllAsync(otherClient);
        for (var user = 0; user < Users; user++)
            Assert.True(first[user] == "2" ? second[user] is "0" or "1" : first[user] == second[user], $"{user}: {first[user]} {second[user]}");

        gateway.Host.Drain(gateway.Service(), gateway.Service().Endpoints[2], isDraining: true);
        Assert.Equal(second, await AskAllAsync(client));
        gateway.Host.Drain(gateway.Service(), gateway.Service().Endpoints[2], isDraining: false);
        Assert.Equal(first, await AskAllAsync(client));
    }

    private static async Task<string[]> AskAllAsync(Peer client)
    {
        var answers = new string[Users];
        for (var user = 0; user < Users; user++)
        {
            await client.SendAsync($"GET / HTTP/1.1\r\nHost: a\r\nCookie: theme=dark; session={user}\r\n\r\n");
            answers[user] = WireText.Text((await client.ReadAnswerAsync()).Body);
        }
        return answers;
    }

    private sealed class Origins(int count) : IAsyncDisposable
    {
        private readonly ScriptedOrigin[] _origins =
            [.. Enumerable.Range(0, count).Select(number => ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer(number.ToString(CultureInfo.InvariantCulture))))];

        public string Yaml(int used) => $$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services:
              origin: { endpoints: [ {{string.Join(", ", _origins.Take(used).Select(origin => $"\"{origin.Url}\""))}} ], balance: consistent-hash, hashOn: "cookie:session" }
            routes: [ { service: origin } ]
            """;

        public async ValueTask DisposeAsync()
        {
            foreach (var origin in _origins)
                await origin.DisposeAsync();
        }
    }
}
