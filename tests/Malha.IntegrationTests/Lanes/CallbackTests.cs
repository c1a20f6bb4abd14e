using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Lanes;

/// <summary>The end of an operation is told to whom its route names, once it is taken and not before.</summary>
public sealed class CallbackTests : IDisposable
{
    private const string Secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    private const string NextSecret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    private readonly LaneFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_success_is_told_and_signed_by_every_secret()
    {
        await using var server = LedgerServer.Start();
        await using var receiver = LedgerServer.Start();
        await using var gateway = Start(server, receiver, secrets: "[ env:WEBHOOK_SECRET_NEXT, env:WEBHOOK_SECRET ]");
        var location = await gateway.AcceptedAsync();
        var told = await ToldAsync(gateway, location, "delivered");

        var message = Assert.Single(receiver.Entries);
        Assert.Equal(("POST", "/hooks?shop=7", "application/json"), (message.Request.Method, message.Request.Target, message.Field("Content-Type")));
        foreach (var secret in (string[])[Secret, NextSecret])
            Assert.Contains("v1," + Signature(secret, message), message.Field("webhook-signature")!.Split(' '));
        var seconds = long.Parse(message.Field("webhook-timestamp")!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() - seconds, 0, 300);
        Assert.DoesNotContain('.', message.Field("webhook-id")!);

        var body = JsonDocument.Parse(message.Request.Body).RootElement;
        Assert.Equal("operation.succeeded", body.GetProperty("type").GetString());
        var data = body.GetProperty("data");
        Assert.Equal((LaneGateway.IdOf(location).ToString(), "succeeded", 200), (data.GetProperty("id").GetString(), data.GetProperty("state").GetString(), data.GetProperty("answerStatus").GetInt32()));
        Assert.Equal("done", WireText.Text((await gateway.AskAsync("GET", data.GetProperty("answer").GetString()!)).Body));
        Assert.Equal((1, 200), (told.GetProperty("attempts").GetInt32(), told.GetProperty("status").GetInt32()));
        Assert.Equal(1, gateway.Lane.Callbacks.Counters.Delivered);
    }

    [Fact]
    public async Task Dead_letters_and_cancellations_are_told_too()
    {
        await using var server = LedgerServer.Start();
        await using var receiver = LedgerServer.Start();
        server.Answer = _ => Task.FromResult<string?>("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        await using (var gateway = Start(server, receiver))
            await ToldAsync(gateway, await gateway.AcceptedAsync(), "delivered");
        await using var away = LedgerServer.Away();
        await using (var gateway = Start(away, receiver))
        {
            var location = await gateway.AcceptedAsync();
            // While a try to connect is under way it cannot be taken back.
            await UntilAsync(async () => (await gateway.AskAsync("DELETE", location)).Status == 200, () => "it cannot be taken back");
            await ToldAsync(gateway, location, "delivered");
        }
        var bodies = receiver.Entries.Select(entry => JsonDocument.Parse(entry.Request.Body).RootElement).ToList();
        Assert.Equal(["operation.dead", "operation.cancelled"], bodies.Select(body => body.GetProperty("type").GetString()));
        Assert.Equal("credential-expired", bodies[0].GetProperty("data").GetProperty("cause").GetString());
    }

    [Fact]
    public async Task A_receiver_that_fails_gets_the_same_message_again_until_it_takes_it()
    {
        await using var server = LedgerServer.Start();
        await using var receiver = LedgerServer.Start();
        var count = 0;
        receiver.Answer = _ => Task.FromResult<string?>(Interlocked.Increment(ref count) switch
        {
            1 => "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            2 => "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            3 => null,
            _ => "HTTP/1.1 204 No Content\r\n\r\n",
        });
        await using var gateway = Start(server, receiver);
        var told = await ToldAsync(gateway, await gateway.AcceptedAsync(), "delivered");
        Assert.Equal(4, told.GetProperty("attempts").GetInt32());
        Assert.Equal(4, receiver.Entries.Count);
        Assert.Single(receiver.Entries.Select(entry => entry.Field("webhook-id")).Distinct());
        Assert.Single(receiver.Entries.Select(entry => WireText.Text(entry.Request.Body)).Distinct());
        Assert.All(receiver.Entries, entry => Assert.Equal("/hooks?shop=7", entry.Request.Target));
        Assert.Equal(3, gateway.Lane.Callbacks.Counters.Failed);
    }

    [Fact]
    public async Task Gone_is_the_end()
    {
        await using var server = LedgerServer.Start();
        await using var receiver = LedgerServer.Start();
        receiver.Answer = _ => Task.FromResult<string?>("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
        await using var gateway = Start(server, receiver);
        var told = await ToldAsync(gateway, await gateway.AcceptedAsync(), "gone");
        Assert.Equal((1, 410), (told.GetProperty("attempts").GetInt32(), told.GetProperty("status").GetInt32()));
        Assert.False(told.TryGetProperty("nextAttemptAt", out _));
        Assert.Single(receiver.Entries);
    }

    [Fact]
    public async Task A_private_address_is_not_called_unless_it_is_allowed_and_nobody_takes_it_in_time()
    {
        await using var server = LedgerServer.Start();
        await using var receiver = LedgerServer.Start();
        await using var gateway = Start(server, receiver, networks: "", further: "ttl: 1ms");
        var told = await ToldAsync(gateway, await gateway.AcceptedAsync(), "given-up");
        Assert.Equal("address-refused", told.GetProperty("problem").GetString());
        Assert.Empty(receiver.Entries);
    }

    [Fact]
    public async Task What_was_not_taken_is_told_after_a_restart()
    {
        await using var server = LedgerServer.Start();
        await using var receiver = LedgerServer.Away();
        string location;
        await using (var gateway = Start(server, receiver))
        {
            location = await gateway.AcceptedAsync();
            await gateway.BecomesAsync(location, "succeeded");
            await Eventually.HoldsAsync(() => gateway.Lane.Callbacks.Counters.Failed > 0, "a callback fails");
        }
        receiver.Come();
        await using var again = Start(server, receiver);
        var told = await ToldAsync(again, location, "delivered");
        Assert.True(told.GetProperty("attempts").GetInt32() > 1);
        Assert.Single(receiver.Entries);
    }

    [Fact]
    public async Task A_slow_receiver_holds_up_no_other()
    {
        await using var server = LedgerServer.Start();
        await using var slow = LedgerServer.Start();
        await using var quick = LedgerServer.Start();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        slow.Answer = async _ =>
        {
            await release.Task;
            return "HTTP/1.1 204 No Content\r\n\r\n";
        };
        await using var gateway = LaneGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            delivery: { path: "{{_folder.Path}}", minFree: 1MiB, backoff: 50ms..500ms, callbacks: { {{Keys(networks: "127.0.0.0/8", ports: $"{slow.Port}, {quick.Port}", further: "perHost: 3")}} } }
            services: { pay: { endpoints: [ "{{server.Url}}" ] } }
            routes:
              - { match: { path: /slow }, service: pay, defer: { when: always, acks: leader, callback: "{{slow.Url}}/" } }
              - { match: { path: /quick }, service: pay, defer: { when: always, acks: leader, callback: "{{quick.Url}}/" } }
            """);
        var waiting = new List<string>();
        for (var index = 0; index < 20; index++)
            waiting.Add(await gateway.AcceptedAsync("/slow"));
        await Eventually.HoldsAsync(() => slow.Entries.Count == 3, "as many are under way as may be");
        for (var index = 0; index < 10; index++)
            await ToldAsync(gateway, await gateway.AcceptedAsync("/quick"), "delivered");
        Assert.Equal(3, slow.Most);
        release.SetResult();
        foreach (var location in waiting)
            await ToldAsync(gateway, location, "delivered");
        Assert.Equal(3, slow.Most);
    }

    [Fact]
    public async Task A_gateway_that_is_killed_between_the_end_and_the_callback_tells_it_after_its_next_start()
    {
        await using var server = LedgerServer.Start();
        await using var receiver = LedgerServer.Start();
        var never = new TaskCompletionSource<string?>();
        receiver.Answer = _ => never.Task;
        var file = Path.Combine(_folder.Path, "malha.yaml");
        await File.WriteAllTextAsync(file, $$"""
            listeners: { edge: { address: "127.0.0.1:{{FreePort.Next()}}" } }
            delivery: { path: log, minFree: 1MiB, backoff: 50ms..500ms, callbacks: { {{Keys("127.0.0.0/8", $"{receiver.Port}")}} } }
            services: { pay: { endpoints: [ "{{server.Url}}" ] } }
            routes: [ { service: pay, defer: { when: always, acks: leader, callback: "{{receiver.Url}}/" } } ]
            accessLog: { format: off }
            """, TestContext.Current.CancellationToken);
        var environment = new Dictionary<string, string> { ["WEBHOOK_SECRET"] = "whsec_" + Secret };
        var accepted = new List<string>();
        await using (var malha = await MalhaProcess.StartAsync(["run", file], 1, environment))
        {
            await using (var client = await Peer.ConnectAsync(malha.Port))
            {
                for (var index = 0; index < 10; index++)
                {
                    await client.SendAsync(LaneGateway.Post($"/{index}"));
                    var answer = await client.ReadAnswerAsync("POST");
                    Assert.Equal(202, answer.Status);
                    accepted.Add(LaneGateway.IdOf(answer.Value("Location")!).ToString());
                }
            }
            await Eventually.HoldsAsync(() => server.Entries.Count == 10 && receiver.Entries.Count > 0, "the first callback is under way");
            using var killer = Process.GetProcessById(malha.ProcessId);
            killer.Kill();
            await killer.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        never.SetResult(null);
        receiver.Answer = _ => Task.FromResult<string?>("HTTP/1.1 204 No Content\r\n\r\n");
        var before = receiver.Entries.Count;
        await using (var malha = await MalhaProcess.StartAsync(["run", file], 1, environment))
            await Eventually.HoldsAsync(() => receiver.Entries.Skip(before).Select(IdOf).Distinct().Count() == 10, "all ten are told");
        Assert.Equal(accepted.Order(), receiver.Entries.Skip(before).Select(IdOf).Distinct().Order());
    }

    private static string IdOf(LedgerEntry entry) => entry.Field("webhook-id")!.Split('_')[1];

    private LaneGateway Start(LedgerServer server, LedgerServer receiver, string secrets = "env:WEBHOOK_SECRET", string networks = "127.0.0.0/8", string further = "timeout: 60s") => LaneGateway.Start(
        _folder, server, $"when: always, acks: leader, callback: \"{receiver.Url}/hooks?shop=7\"", delivery: $"callbacks: {{ {Keys(networks, $"{receiver.Port}", further, secrets)} }}");

    private static string Keys(string networks, string ports, string further = "timeout: 60s", string secrets = "env:WEBHOOK_SECRET") =>
        $"secrets: {secrets}, http: true, ports: [ {ports} ], networks: [ {networks} ], {further}";

    private static string Signature(string secret, LedgerEntry message)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Convert.FromBase64String(secret));
        hmac.AppendData(Encoding.ASCII.GetBytes($"{message.Field("webhook-id")}.{message.Field("webhook-timestamp")}."));
        hmac.AppendData(message.Request.Body);
        return Convert.ToBase64String(hmac.GetHashAndReset());
    }

    // What the operation's document says of its callback, once that is in a state.
    private static async Task<JsonElement> ToldAsync(LaneGateway gateway, string location, string state)
    {
        var callback = default(JsonElement);
        await UntilAsync(async () =>
        {
            callback = (await gateway.OperationAsync(location)).GetProperty("callback");
            return callback.GetProperty("state").GetString() == state;
        }, () => $"the callback does not become {state}: {callback}");
        return callback;
    }

    private static async Task UntilAsync(Func<Task<bool>> holds, Func<string> otherwise)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        for (var since = TimeProvider.System.GetTimestamp(); !await holds(); await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken))
            Assert.True(TimeProvider.System.GetElapsedTime(since) < Peer.Patience, otherwise());
    }
}
