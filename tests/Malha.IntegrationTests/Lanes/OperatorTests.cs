using System.Net;
using Malha.IntegrationTests.Admin;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Operations;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Lanes;

/// <summary>What operators see of the durable lane and do with it: the admin API and the commands over it.</summary>
public sealed class OperatorTests : IDisposable
{
    private readonly LaneFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Operations_and_lanes_are_listed_shown_and_taken_back()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = await StartAsync(server, "when: unavailable, acks: leader");
        var ids = new[] { await AcceptAsync(gateway, "/a?token=hunter2"), await AcceptAsync(gateway, "/b") };
        var listed = await OperatorCommand.RunAsync(gateway, "ops", "list", "--state", "waiting");
        Assert.Equal((0, true), (listed.Code, ids.All(id => listed.Output.Contains(id, StringComparison.Ordinal))));
        Assert.DoesNotContain("hunter2", listed.Output, StringComparison.Ordinal);
        var shown = await OperatorCommand.RunAsync(gateway, "ops", "show", "/.malha/operations/" + ids[1]);
        Assert.Contains("leader: operating-system, 1 copy", shown.Output, StringComparison.Ordinal);
        var lanes = (await OperatorCommand.RunAsync(gateway, "ops", "lanes", "--json")).Json.GetProperty("items")[0];
        Assert.Equal(("pay", 2), (lanes.GetProperty("name").GetString(), lanes.GetProperty("depth").GetInt32()));
        Assert.Contains("malha_lane_depth{malha_service=\"pay\"} 2", await gateway.Client.GetStringAsync(new Uri(gateway.Admin + "/metrics"), TestContext.Current.CancellationToken), StringComparison.Ordinal);

        await UntilDoneAsync(gateway, "ops", "cancel", ids[0]);
        await UntilDoneAsync(gateway, "ops", "drop", ids[1]);
        Assert.Equal("dropped", (await OperatorCommand.RunAsync(gateway, "deadletters", "list", "--json")).Json.GetProperty("items")[0].GetProperty("cause").GetString());
        Assert.Equal(1, (await OperatorCommand.RunAsync(gateway, "ops", "retry", ids[0])).Code);
        Assert.Equal(1, (await OperatorCommand.RunAsync(gateway, "ops", "show", new string('0', 32))).Code);
        Assert.Equal(HttpStatusCode.Unauthorized, (await gateway.AskAsync($"/api/v1/operations/{ids[0]}", HttpMethod.Delete)).Status);
    }

    [Fact]
    public async Task Why_tells_that_a_request_was_deferred_and_what_became_of_its_operation()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = await StartAsync(server, "when: preferred, acks: leader");
        var (away, awayOperation) = await DeferredAsync(gateway, "");
        var (asked, askedOperation) = await DeferredAsync(gateway, "Prefer: respond-async\r\n");

        var told = await OperatorCommand.RunAsync(gateway, "why", away);
        Assert.Equal(0, told.Code);
        Assert.Contains(awayOperation, told.Output, StringComparison.Ordinal);
        var decision = (await OperatorCommand.RunAsync(gateway, "why", away, "--json")).Json;
        var deferred = decision.GetProperty("deferred");
        Assert.Equal(("deferred", 202, awayOperation, "leader"),
            (decision.GetProperty("outcome").GetString(), decision.GetProperty("status").GetInt32(), deferred.GetProperty("operation").GetString(), deferred.GetProperty("acks").GetString()));
        Assert.Equal("urn:malha:problem:connect-failed", deferred.GetProperty("why").GetProperty("type").GetString());
        var wanted = (await OperatorCommand.RunAsync(gateway, "why", asked, "--json")).Json.GetProperty("deferred");
        Assert.Equal((askedOperation, false), (wanted.GetProperty("operation").GetString(), wanted.TryGetProperty("why", out var why) && why.ValueKind != System.Text.Json.JsonValueKind.Null));

        server.Come();
        await Eventually.HoldsAsync(() => server.Entries.Count == 2 && gateway.Delivery.Lane!.Store.Depth("pay") == 0, "both are delivered");
        var history = await OperatorCommand.RunAsync(gateway, "why", "/.malha/operations/" + awayOperation);
        Assert.Equal(0, history.Code);
        Assert.Contains("succeeded", history.Output, StringComparison.Ordinal);
        Assert.Contains(away, history.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await OperatorCommand.RunAsync(gateway, "why", new string('0', 32))).Code);
    }

    [Fact]
    public async Task Dead_letters_are_replayed_one_by_one_or_by_their_cause_and_dropped()
    {
        await using var server = LedgerServer.Start();
        var isWell = false;
        server.Answer = _ => Task.FromResult<string?>(Volatile.Read(ref isWell) ? ScriptedOrigin.Answer("done") : ScriptedOrigin.Answer("cannot", status: 500));
        await using var gateway = await StartAsync(server, "when: always", "attempts: 1");
        var ids = new List<string>();
        for (var number = 0; number < 4; number++)
            ids.Add(await AcceptAsync(gateway, $"/{number}"));
        var lane = gateway.Delivery.Lane!;
        await Eventually.HoldsAsync(() => lane.Store.Depth("pay") == 0, "all are dead");
        Assert.Equal(4, (await OperatorCommand.RunAsync(gateway, "deadletters", "list", "--cause", "poison", "--json")).Json.GetProperty("items").GetArrayLength());
        Assert.Contains("cannot", (await OperatorCommand.RunAsync(gateway, "deadletters", "show", ids[0])).Output, StringComparison.Ordinal);

        Volatile.Write(ref isWell, true);
        Assert.Contains("1 replayed", (await OperatorCommand.RunAsync(gateway, "deadletters", "replay", ids[0])).Output, StringComparison.Ordinal);
        await Eventually.HoldsAsync(() => server.Entries.Count == 5, "it is delivered again");
        Assert.Contains("1 dropped", (await OperatorCommand.RunAsync(gateway, "deadletters", "drop", ids[1])).Output, StringComparison.Ordinal);
        Assert.Equal(1, (await OperatorCommand.RunAsync(gateway, "deadletters", "replay", ids[1])).Code);
        Assert.Contains("2 replayed", (await OperatorCommand.RunAsync(gateway, "deadletters", "replay", "--cause", "poison")).Output, StringComparison.Ordinal);
        await Eventually.HoldsAsync(() => server.Entries.Count == 7 && lane.Store.Depth("pay") == 0, "the others are delivered too");
        Assert.Empty((await OperatorCommand.RunAsync(gateway, "deadletters", "list", "--json")).Json.GetProperty("items").EnumerateArray());
        Assert.Equal(2, (await OperatorCommand.RunAsync(gateway, "deadletters", "drop")).Code);
    }

    private Task<RunningGateway> StartAsync(LedgerServer server, string defer, string delivery = "maxBody: 1MiB") => RunningGateway.StartAsync($$"""
        delivery: { path: "{{_folder.Path}}", minFree: 1MiB, {{delivery}} }
        services: { pay: { endpoints: [ "{{server.Url}}" ] } }
        routes: [ { service: pay, defer: { {{defer}} } } ]
        """);

    // It may be tried in this very moment, and then is not to be changed.
    private static async Task UntilDoneAsync(RunningGateway gateway, params string[] command)
    {
        var done = await OperatorCommand.RunAsync(gateway, command);
        for (var tries = 0; done.Code != 0 && tries < 20; tries++)
            done = await OperatorCommand.RunAsync(gateway, command);
        Assert.True(done.Code == 0, done.Error);
    }

    private static async Task<string> AcceptAsync(RunningGateway gateway, string path) => (await DeferredAsync(gateway, "", path)).Operation;

    private static async Task<(string Request, string Operation)> DeferredAsync(RunningGateway gateway, string fields, string path = "/pay")
    {
        await using var client = await Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(LaneGateway.Post(path, fields: fields));
        var answer = await client.ReadAnswerAsync("POST");
        Assert.True(answer.Status == 202, WireText.Text(answer.Body));
        return (answer.Value("X-Request-Id")!, LaneGateway.IdOf(answer.Value("Location")!).ToString());
    }
}
