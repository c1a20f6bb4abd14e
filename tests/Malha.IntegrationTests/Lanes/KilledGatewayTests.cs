using System.Diagnostics;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Lanes;

/// <summary>The gateway is killed (-9) at random moments while it accepts and delivers: nothing that it acknowledged is lost, and what comes twice has the same key.</summary>
public sealed class KilledGatewayTests : IDisposable
{
    private static readonly bool All = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1";

    private readonly LaneFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("leader", 11)]
    [InlineData("all", 12)]
    public async Task Nothing_acknowledged_is_lost_and_what_comes_twice_has_the_same_key(string acks, int seed)
    {
        var random = new Random(seed);
        await using var server = LedgerServer.Start();
        var file = Path.Combine(_folder.Path, "malha.yaml");
        await File.WriteAllTextAsync(file, $$"""
            listeners: { edge: { address: "127.0.0.1:{{FreePort.Next()}}" } }
            delivery: { path: log, minFree: 1MiB, backoff: 10ms..100ms }
            services: { pay: { endpoints: [ "{{server.Url}}" ] } }
            routes: [ { service: pay, defer: { when: always, acks: {{acks}}, key: "header:X-Account" } } ]
            accessLog: { format: off }
            """, TestContext.Current.CancellationToken);

        var acknowledged = new List<(string Id, int Account, int Number)>();
        var number = 0;
        for (var kill = 0; kill < (All ? 20 : 4); kill++)
        {
            await using var malha = await MalhaProcess.StartAsync(["run", file], 1);
            using var killer = Process.GetProcessById(malha.ProcessId);
            var killed = Task.Delay(random.Next(50, 700), TestContext.Current.CancellationToken).ContinueWith(_ => killer.Kill(), TaskScheduler.Default);
            await SendUntilKilledAsync(malha.Port, acknowledged, () => Interlocked.Increment(ref number));
            await killed;
        }
        await using (var malha = await MalhaProcess.StartAsync(["run", file], 1))
        {
            await Eventually.HoldsAsync(() =>
            {
                var done = server.Entries.Select(entry => entry.Field("Malha-Operation")).ToHashSet();
                return acknowledged.TrueForAll(one => done.Contains(one.Id));
            }, $"all of {acknowledged.Count} are at the server");
        }

        Assert.True(acknowledged.Count > 20, $"only {acknowledged.Count} were acknowledged: the test tells nothing");
        // Twice is allowed, under the same key; of each account the first of each come in the order of acceptance.
        Assert.All(server.Entries.GroupBy(entry => entry.Field("Malha-Operation")), same => Assert.Single(same.Select(entry => entry.Field("Idempotency-Key")).Distinct()));
        var firsts = server.Entries.DistinctBy(entry => entry.Field("Malha-Operation")).Select(entry => entry.Field("Malha-Operation")!).ToList();
        foreach (var account in acknowledged.GroupBy(one => one.Account))
        {
            var inOrder = account.OrderBy(one => one.Number).Select(one => firsts.IndexOf(one.Id)).ToList();
            Assert.Equal(inOrder.Order(), inOrder);
        }
    }

    private static Task SendUntilKilledAsync(int port, List<(string, int, int)> acknowledged, Func<int> next) => Task.WhenAll(Enumerable.Range(0, 4).Select(async account =>
    {
        try
        {
            await using var client = await Peer.ConnectAsync(port);
            while (true)
            {
                var number = next();
                await client.SendAsync(LaneGateway.Post($"/pay/{number}", fields: $"X-Account: {account}\r\n"));
                var answer = await client.ReadAnswerAsync("POST");
                if (answer.Status != 202)
                    return;
                lock (acknowledged)
                    acknowledged.Add((LaneGateway.IdOf(answer.Value("Location")!).ToString(), account, number));
            }
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or IOException or Xunit.Sdk.XunitException or InvalidOperationException)
        {
            // It was killed.
        }
    }));
}
