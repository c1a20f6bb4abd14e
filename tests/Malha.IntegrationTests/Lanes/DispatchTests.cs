using System.Globalization;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Lanes;

/// <summary>How lanes are delivered: in order, at the service's pace, and what follows on failures. The users' known pains with queues are tests here.</summary>
public sealed class DispatchTests : IDisposable
{
    private const string Breaker = "breaker: { consecutive: 2, failures: off, open: 200ms..400ms, probes: 1, ramp: off }";

    private readonly LaneFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task All_are_done_once_in_the_order_of_their_key_and_never_faster_than_the_service_bears()
    {
        var many = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1" ? 10_000 : 1_000;
        const int PerSecond = 1000;
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(
            _folder, server, "when: unavailable, acks: leader, key: \"header:X-Account\"", $"capacity: {{ rate: {PerSecond}/s, burst: 100 }}, {Breaker}");
        var sent = new List<string>();
        await Parallel.ForEachAsync(Enumerable.Range(0, 10), TestContext.Current.CancellationToken, async (account, _) =>
        {
            await using var client = await gateway.Gateway.ConnectAsync();
            for (var number = 0; number < many / 10; number++)
            {
                await client.SendAsync(LaneGateway.Post($"/pay?account={account}&number={number}", fields: $"X-Account: {account}\r\n"));
                var answer = await client.ReadAnswerAsync("POST");
                Assert.True(answer.Status == 202, $"{answer.Status} {WireText.Text(answer.Body)}");
                lock (sent)
                    sent.Add(LaneGateway.IdOf(answer.Value("Location")!).ToString());
            }
        });
        Assert.Equal(many, gateway.Lane.Store.Depth("pay"));
        server.Come();
        await Eventually.HoldsAsync(() => gateway.Lane.Store.Depth("pay") == 0, "all are delivered");

        var ledger = server.Entries;
        Assert.Equal(sent.Order(StringComparer.Ordinal), ledger.Select(entry => entry.Field("Malha-Operation")!).Order(StringComparer.Ordinal));
        foreach (var account in ledger.GroupBy(entry => entry.Field("X-Account")))
            Assert.Equal(Enumerable.Range(0, many / 10), account.Select(entry => int.Parse(entry.Request.Target[(entry.Request.Target.LastIndexOf('=') + 1)..], CultureInfo.InvariantCulture)));
        // In any second no more than the rate and what may come at once.
        for (var (first, last) = (0, 0); last < ledger.Count; last++)
        {
            while (ledger[last].At - ledger[first].At > TimeSpan.FromSeconds(1))
                first++;
            Assert.True(last - first + 1 <= PerSecond + 100, $"{last - first + 1} requests in a second");
        }
    }

    [Fact]
    public async Task An_open_breaker_burns_no_attempts()
    {
        await using var server = LedgerServer.Start();
        server.Answer = _ => Task.FromResult<string?>(ScriptedOrigin.Answer("", status: 500));
        await using var gateway = LaneGateway.Start(_folder, server, service: "breaker: { consecutive: 2, failures: off, open: 60s..60s, probes: 1, ramp: off }");
        for (var failure = 0; failure < 2; failure++)
            Assert.Equal(500, (await gateway.PostAsync()).Status);
        var location = await gateway.AcceptedAsync();
        await Eventually.HoldsAsync(() => gateway.Lane.Dispatcher.Lanes.SingleOrDefault()?.Hold is not null, "the lane is held");
        var told = await gateway.BecomesAsync(location, "waiting");
        Assert.StartsWith("breaker-open", told.GetProperty("waitsFor").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, told.GetProperty("attemptCount").GetInt32());
        Assert.Equal(2, server.Entries.Count);
    }

    [Fact]
    public async Task One_dead_target_does_not_starve_the_others()
    {
        await using var dead = LedgerServer.Away();
        await using var alive = LedgerServer.Start();
        await using var gateway = LaneGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            delivery: { path: "{{_folder.Path}}", minFree: 1MiB }
            services:
              dead: { endpoints: [ "{{dead.Url}}" ] }
              alive: { endpoints: [ "{{alive.Url}}" ] }
            routes:
              - { match: { path: /dead }, service: dead, defer: { when: always } }
              - { match: { path: /alive }, service: alive, defer: { when: always } }
            """);
        for (var number = 0; number < 100; number++)
            await gateway.AcceptedAsync("/dead");
        foreach (var location in await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => gateway.AcceptedAsync("/alive"))))
            await gateway.BecomesAsync(location, "succeeded");
        Assert.Equal(100, gateway.Lane.Store.Depth("dead"));
    }

    [Fact]
    public async Task A_key_that_is_retried_holds_up_its_own_followers_and_nobody_else()
    {
        await using var server = LedgerServer.Start();
        var isWell = false;
        server.Answer = entry => Task.FromResult<string?>(
            Volatile.Read(ref isWell) || entry.Field("X-Account") != "bad" ? ScriptedOrigin.Answer("done") : ScriptedOrigin.Answer("no", status: 500));
        await using var gateway = LaneGateway.Start(_folder, server, "when: always, key: \"header:X-Account\"", delivery: "attempts: 1000");
        var first = await gateway.AcceptedAsync("/1", fields: "X-Account: bad\r\n");
        var second = await gateway.AcceptedAsync("/2", fields: "X-Account: bad\r\n");
        var other = await gateway.AcceptedAsync("/3", fields: "X-Account: good\r\n");
        await gateway.BecomesAsync(other, "succeeded");
        await Eventually.HoldsAsync(() => server.Entries.Count(entry => entry.Request.Target == "/1") >= 3, "the first is tried again and again");
        Assert.DoesNotContain(server.Entries, entry => entry.Request.Target == "/2");
        Assert.StartsWith("its turn", (await gateway.OperationAsync(second)).GetProperty("waitsFor").GetString(), StringComparison.Ordinal);
        Volatile.Write(ref isWell, true);
        await gateway.BecomesAsync(first, "succeeded");
        await gateway.BecomesAsync(second, "succeeded");
    }

    [Fact]
    public async Task The_dead_letters_tell_poison_from_outage_and_from_a_credential_that_is_no_longer_good()
    {
        await using var server = LedgerServer.Start();
        server.Answer = entry => Task.FromResult<string?>(entry.Request.Target switch
        {
            "/poison" => ScriptedOrigin.Answer("cannot", status: 500),
            "/secret" => ScriptedOrigin.Answer("who?", status: 401),
            "/silent" => null,
            _ => ScriptedOrigin.Answer("done"),
        });
        await using var gateway = LaneGateway.Start(_folder, server, "when: always, ttl: 2s", delivery: "attempts: 3");
        var poison = await gateway.AcceptedAsync("/poison");
        var secret = await gateway.AcceptedAsync("/secret");
        var silent = await gateway.AcceptedAsync("/silent");
        var given = await gateway.BecomesAsync(poison, "dead");
        Assert.Equal(("poison", 3, 500), (given.GetProperty("cause").GetString(), given.GetProperty("attemptCount").GetInt32(), given.GetProperty("answerStatus").GetInt32()));
        Assert.Equal("cannot", WireText.Text((await gateway.AskAsync("GET", poison + "/response")).Body));
        Assert.Equal("credential-expired", (await gateway.BecomesAsync(secret, "dead")).GetProperty("cause").GetString());
        Assert.Equal("expired", (await gateway.BecomesAsync(silent, "dead")).GetProperty("cause").GetString());
    }

    [Fact]
    public async Task The_attempt_count_survives_a_restart()
    {
        await using var server = LedgerServer.Start();
        server.Answer = _ => Task.FromResult<string?>(ScriptedOrigin.Answer("no", status: 500));
        string location;
        await using (var gateway = LaneGateway.Start(_folder, server, "when: always", delivery: "attempts: 1000"))
        {
            location = await gateway.AcceptedAsync();
            await Eventually.HoldsAsync(() => server.Entries.Count >= 3, "it was tried");
        }
        var before = server.Entries.Count;
        server.Answer = _ => Task.FromResult<string?>(ScriptedOrigin.Answer("done"));
        await using var again = LaneGateway.Start(_folder, server, "when: always", delivery: "attempts: 1000");
        var done = await again.BecomesAsync(location, "succeeded");
        Assert.Equal(before + 1, done.GetProperty("attemptCount").GetInt32());
        Assert.Equal((before + 1).ToString(CultureInfo.InvariantCulture), server.Entries[^1].Field("Malha-Attempt"));
    }

    [Fact]
    public async Task What_is_under_way_at_the_end_is_finished_and_nothing_else_is_begun()
    {
        var go = new TaskCompletionSource();
        await using var server = LedgerServer.Start();
        server.Answer = async _ =>
        {
            await go.Task;
            return ScriptedOrigin.Answer("done");
        };
        var gateway = LaneGateway.Start(_folder, server, "when: always, key: client");
        var locations = new[] { await gateway.AcceptedAsync("/1"), await gateway.AcceptedAsync("/2") };
        await Eventually.HoldsAsync(() => server.Entries.Count == 1, "the first is under way");
        var ending = gateway.Lane.Dispatcher.DrainAsync(TimeSpan.FromSeconds(20));
        go.SetResult();
        await ending;
        Assert.Single(server.Entries);
        await gateway.DisposeAsync();
        await using var again = LaneGateway.Start(_folder, server, "when: always, key: client");
        foreach (var location in locations)
            await again.BecomesAsync(location, "succeeded");
        Assert.Equal(["/1", "/2"], server.Entries.Select(entry => entry.Request.Target));
    }

    [Fact]
    public async Task A_server_that_wants_it_later_gets_it_later_and_that_is_no_failure_of_the_request()
    {
        await using var server = LedgerServer.Start();
        server.Answer = entry => Task.FromResult<string?>(
            server.Entries.Count < 2 ? ScriptedOrigin.Answer("busy", "Retry-After: 1\r\n", 503) : ScriptedOrigin.Answer("done"));
        await using var gateway = LaneGateway.Start(_folder, server, "when: always", "throttle: off", "attempts: 1");
        var location = await gateway.AcceptedAsync();
        await gateway.BecomesAsync(location, "succeeded");
        Assert.True(server.Entries[1].At - server.Entries[0].At >= TimeSpan.FromMilliseconds(950), "it came back too early");
    }

    [Fact]
    public async Task Credentials_are_sealed_on_the_disk_and_there_again_at_delivery()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server, delivery: "credentialKeys: env:LONG_KEY");
        var location = await gateway.AcceptedAsync(fields: "Authorization: Bearer abracadabra-simsalabim\r\nCookie: a=hocuspocus\r\n");
        Assert.Equal("sealed", (await gateway.OperationAsync(location)).GetProperty("credentials").GetString());
        foreach (var path in Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Where(path => Path.GetFileName(path).ToUpperInvariant() is not ("LOCK" or "RESERVE")))
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[file.Length];
            await file.ReadExactlyAsync(bytes, TestContext.Current.CancellationToken);
            Assert.True(bytes.AsSpan().IndexOf("simsalabim"u8) < 0 && bytes.AsSpan().IndexOf("hocuspocus"u8) < 0, path);
        }
        server.Come();
        await gateway.BecomesAsync(location, "succeeded");
        var asked = Assert.Single(server.Entries);
        Assert.Equal(("Bearer abracadabra-simsalabim", "a=hocuspocus"), (asked.Field("Authorization"), asked.Field("Cookie")));
    }

    [Fact]
    public async Task Overload_is_deferred_only_where_that_is_asked_for_and_up_to_a_bound()
    {
        var go = new TaskCompletionSource();
        await using var server = LedgerServer.Start();
        server.Answer = async _ =>
        {
            await go.Task;
            return ScriptedOrigin.Answer("done");
        };
        await using var gateway = LaneGateway.Start(_folder, server, "when: unavailable, overloaded: 2", "capacity: { rate: 1/h, burst: 1 }");
        var first = gateway.PostAsync();
        await Eventually.HoldsAsync(() => server.Entries.Count == 1, "the capacity is used");
        Assert.Equal(202, (await gateway.PostAsync()).Status);
        Assert.Equal(202, (await gateway.PostAsync()).Status);
        Problem.Has(await gateway.PostAsync(), 503, "over-capacity");
        go.SetResult();
        Assert.Equal(200, (await first).Status);
    }

    [Fact]
    public async Task Whoever_comes_while_others_of_his_key_wait_waits_behind_them()
    {
        await using var server = LedgerServer.Away();
        await using var gateway = LaneGateway.Start(_folder, server, "when: unavailable, key: client");
        var first = await gateway.AcceptedAsync("/1");
        var second = await gateway.AcceptedAsync("/2");
        server.Come();
        var third = await gateway.PostAsync("/3");
        if (third.Status == 202)
            await gateway.BecomesAsync(third.Value("Location")!, "succeeded");
        await gateway.BecomesAsync(first, "succeeded");
        await gateway.BecomesAsync(second, "succeeded");
        Assert.Equal(["/1", "/2", "/3"], server.Entries.Where(entry => entry.Request.Method == "POST").Select(entry => entry.Request.Target));
    }
}
