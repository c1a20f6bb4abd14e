using System.Text.Json;
using Malha.Delivery.Kafka;
using Malha.Delivery.Operations;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Kafka;

/// <summary>The durable lane on a real Kafka of one node: nothing here is about the loss of brokers.</summary>
public sealed class KafkaEngineTests(OneKafka kafka) : IClassFixture<OneKafka>
{
    [Fact]
    public async Task A_request_whose_server_is_away_is_accepted_and_done_when_it_is_back()
    {
        await using var server = LedgerServer.Away();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server);
        await using var gateway = await lane.StartAloneAsync(lane.Folder());
        var accepted = await gateway.PostAsync("/pay?order=7", "amount=12", "X-Shop: a\r\n");
        Assert.Equal(202, accepted.Status);
        Assert.Equal("""{"level":"all","where":"kafka","copies":1}""", JsonDocument.Parse(accepted.Body).RootElement.GetProperty("durability").GetRawText());
        var location = accepted.Value("Location")!;
        Assert.Contains((await gateway.OperationAsync(location)).GetProperty("state").GetString(), new[] { "waiting", "running" });

        server.Come();
        Assert.Equal(200, (await gateway.BecomesAsync(location, "succeeded")).GetProperty("answerStatus").GetInt32());
        var asked = server.Entries.Single(entry => entry.Request.Target != "/first");
        Assert.Equal(("/pay?order=7", "amount=12", "a"), (asked.Request.Target, WireText.Text(asked.Request.Body), asked.Field("X-Shop")));
        Assert.Equal("done", WireText.Text((await gateway.AskAsync("GET", location + "/response")).Body));
        Assert.False(KafkaLane.Store(gateway).HasSpilled);
    }

    [Fact]
    public async Task Operations_of_a_key_arrive_in_the_order_of_their_acceptance_and_each_once()
    {
        const int Keys = 7, Each = 20;
        await using var server = LedgerServer.Away();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server);
        await using var gateway = await lane.StartAloneAsync(lane.Folder(), "when: unavailable, acks: all, key: \"header:X-Account\"");
        for (var i = 0; i < Each; i++)
            await Task.WhenAll(Enumerable.Range(0, Keys).Select(key => gateway.AcceptedAsync($"/{key}/{i}", fields: $"X-Account: a{key}\r\n")));
        server.Come();
        await Eventually.HoldsAsync(() => server.Entries.Count >= 1 + (Keys * Each), "all of it arrives");
        for (var key = 0; key < Keys; key++)
            Assert.Equal(Enumerable.Range(0, Each).Select(i => $"/{key}/{i}"), server.Entries.Select(entry => entry.Request.Target).Where(target => target.StartsWith($"/{key}/", StringComparison.Ordinal)));
        await Eventually.HoldsAsync(() => KafkaLane.Store(gateway).Depth(lane.Service) == 0, "nothing waits any more");
        Assert.Equal(1 + (Keys * Each), server.Entries.Count);
    }

    [Fact]
    public async Task Any_gateway_tells_lists_and_cancels_what_another_accepted_and_tells_its_end_to_who_waits_there()
    {
        TakesLong();
        await using var server = LedgerServer.Away();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server);
        await using var one = await lane.StartAloneAsync(lane.Folder());
        await using var two = lane.Start(lane.Folder());
        await lane.OwnsAsync(two, 1);
        // At once: the other has not read it yet, and waits until it has before it says 404.
        var location = await one.AcceptedAsync("/told");
        Assert.Contains((await two.OperationAsync(location)).GetProperty("state").GetString(), new[] { "waiting", "running" });
        var unwanted = await one.AcceptedAsync("/unwanted");
        Assert.Equal(404, (await two.AskAsync("GET", "/.malha/operations/" + new OperationId(UInt128.MaxValue / 3))).Status);
        Assert.InRange((await two.AskAsync("DELETE", unwanted)).Status, 200, 299);
        await one.BecomesAsync(unwanted, "cancelled");

        var waits = two.AskAsync("GET", location, "Prefer: wait=20\r\n");
        server.Come();
        Assert.Equal("succeeded", JsonDocument.Parse((await waits).Body).RootElement.GetProperty("state").GetString());
        Assert.Equal("done", WireText.Text((await two.AskAsync("GET", location + "/response")).Body));
        Assert.DoesNotContain(server.Entries, entry => entry.Request.Target == "/unwanted");
    }

    [Fact]
    public async Task Two_gateways_share_the_work_and_one_takes_over_what_the_other_leaves()
    {
        TakesLong();
        const int Count = 120;
        await using var server = LedgerServer.Away();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server);
        await using var one = await lane.StartAloneAsync(lane.Folder());
        await using (var two = lane.Start(lane.Folder()))
        {
            await lane.OwnsAsync(two, 1);
            await Eventually.HoldsAsync(() => lane.Owned(one) + lane.Owned(two) == KafkaNames.Partitions, "each part has one gateway");
            for (var i = 0; i < Count; i++)
                await (i % 2 == 0 ? one : two).AcceptedAsync($"/{i}");
        }
        // The second one has left; what it had is the first one's.
        server.Come();
        await Eventually.HoldsAsync(() => server.Entries.Select(entry => entry.Request.Target).Distinct().Count() == Count + 1, "all of it arrives");
        Assert.Equal(KafkaNames.Partitions, lane.Owned(one));
        Assert.All(server.Entries.GroupBy(entry => entry.Request.Target), same => Assert.Single(same.Select(entry => entry.Field("Idempotency-Key")).Distinct()));
    }

    [Fact]
    public async Task A_gateway_that_starts_with_an_empty_folder_knows_what_was_done_and_does_not_do_it_again()
    {
        TakesLong();
        await using var server = LedgerServer.Start();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server);
        string done, waits;
        await using (var first = await lane.StartAloneAsync(lane.Folder(), "when: always, acks: all"))
        {
            done = await first.AcceptedAsync("/done");
            await first.BecomesAsync(done, "succeeded");
            await server.GoAsync();
            waits = await first.AcceptedAsync("/waits");
        }
        await using var second = lane.Start(lane.Folder());
        await lane.OwnsAsync(second, KafkaNames.Partitions);
        Assert.Equal("succeeded", (await second.OperationAsync(done)).GetProperty("state").GetString());
        Assert.Equal("done", WireText.Text((await second.AskAsync("GET", done + "/response")).Body));
        server.Come();
        await second.BecomesAsync(waits, "succeeded");
        Assert.Single(server.Entries, entry => entry.Request.Target == "/done");
    }

    [Fact]
    public async Task The_same_Idempotency_Key_is_one_operation_wherever_it_is_sent_and_another_payload_is_refused()
    {
        TakesLong();
        await using var server = LedgerServer.Away();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server);
        await using var one = await lane.StartAloneAsync(lane.Folder());
        await using var two = lane.Start(lane.Folder());
        await lane.OwnsAsync(two, 1);
        const string Key = "Idempotency-Key: order-7\r\n";
        var location = await one.AcceptedAsync("/once", "a", Key);
        await two.OperationAsync(location);
        Assert.Equal(location, await two.AcceptedAsync("/once", "a", Key));
        Assert.Equal(422, (await one.PostAsync("/once", "b", Key)).Status);
        server.Come();
        await two.BecomesAsync(location, "succeeded");
        Assert.Single(server.Entries, entry => entry.Request.Target == "/once");
    }

    [Theory]
    [InlineData("none", """{"level":"none","where":"memory","copies":1}""")]
    [InlineData("leader", """{"level":"leader","where":"kafka","copies":1}""")]
    public async Task Each_level_tells_what_it_promises(string acks, string durability)
    {
        TakesLong();
        await using var server = LedgerServer.Away();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server);
        await using var gateway = await lane.StartAloneAsync(lane.Folder(), $"when: unavailable, acks: {acks}");
        var accepted = await gateway.PostAsync();
        Assert.Equal(durability, JsonDocument.Parse(accepted.Body).RootElement.GetProperty("durability").GetRawText());
        server.Come();
        // At none the gateway may say so before Kafka has it, and until then knows nothing of it.
        var location = accepted.Value("Location")!;
        for (var tries = 0; tries < 2000 && (await gateway.AskAsync("GET", location)).Status == 404; tries++)
            Assert.Equal("none", acks);
        await gateway.BecomesAsync(location, "succeeded");
    }

    [Fact]
    public async Task Copies_that_the_brokers_cannot_keep_are_told_and_requests_are_kept_on_the_disk()
    {
        TakesLong();
        await using var server = LedgerServer.Away();
        using var lane = new KafkaLane(kafka.Cluster.Bootstrap, server, copies: 2);
        await using var gateway = lane.Start(lane.Folder());
        await Eventually.HoldsAsync(() => KafkaLane.Store(gateway).Problem?.Contains("delivery.kafka.replication", StringComparison.Ordinal) == true, "the problem is told");
        var accepted = await gateway.PostAsync();
        Assert.Equal((202, """{"level":"all","where":"local-disk","copies":1}"""),
            (accepted.Status, JsonDocument.Parse(accepted.Body).RootElement.GetProperty("durability").GetRawText()));
    }

    private static void TakesLong() =>
        Assert.SkipUnless(Environment.GetEnvironmentVariable("MALHA_TEST_ALL") is "1", "with the others it takes a minute; MALHA_TEST_ALL=1 runs it");
}
