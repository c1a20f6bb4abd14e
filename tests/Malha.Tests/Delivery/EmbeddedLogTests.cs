using CsCheck;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Delivery;

public sealed class EmbeddedLogTests : IDisposable
{
    private static readonly DateTimeOffset Start = DateTimeOffset.UnixEpoch.AddDays(20_000);

    private readonly TemporaryLog _directory = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task What_was_accepted_is_there_after_closing_and_opening(int acks)
    {
        var operation = TemporaryLog.Post("/pay", key: "a", acks: (AckLevel)acks);
        await using (var log = _directory.Open())
            Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(operation, new byte[] { 1, 2, 3 }, Cancellation)).Outcome);

        await using var again = _directory.Open();
        var found = again.Find(operation.Id).Value!;
        Assert.Equal("/pay", found.Target);
        Assert.Equal((1L, 1L, 3L), (found.Position, found.Revision, found.BodyBytes));
        Assert.Equal([1, 2, 3], again.Body(operation.Id).Value!);
        Assert.Equal(operation.Id, again.Key("payments", "a", 10).Value!.Single().Id);
    }

    [Fact]
    public async Task Lanes_and_keys_keep_the_order_of_acceptance_and_lose_nothing()
    {
        var input = Gen.Select(Gen.Int[0, 2], Gen.Int[0, 3], Gen.Int[1, 3], Gen.Int[0, 3000]).Array[1, 120];
        await input.SampleAsync(async calls =>
        {
            using var directory = new TemporaryLog();
            var operations = calls.Select(call => TemporaryLog.Post($"/{call.Item2}", $"lane{call.Item1}", call.Item2 == 0 ? "" : $"key{call.Item2}", (AckLevel)call.Item3)).ToList();
            await using (var log = directory.Open())
            {
                // Called one after the other, all in flight at once.
                var results = operations.Zip(calls, (operation, call) => log.AcceptAsync(operation, new byte[call.Item4]).AsTask()).ToList();
                Assert.All(await Task.WhenAll(results), result => Assert.Equal(LogOutcome.Done, result.Outcome));
            }
            await using var again = directory.Open();
            Assert.Equal(operations.Select(operation => operation.Lane).Distinct().Order(StringComparer.Ordinal), again.Lanes().Value ?? []);
            foreach (var lane in operations.GroupBy(operation => operation.Lane))
            {
                Assert.Equal(lane.Select(operation => operation.Id), again.Lane(lane.Key, 0, 1000).Value!.Select(entry => entry.Id));
                foreach (var key in lane.Where(operation => operation.Key.Length > 0).GroupBy(operation => operation.Key))
                    Assert.Equal(key.Select(operation => operation.Id), again.Key(lane.Key, key.Key, 1000).Value!.Select(entry => entry.Id));
            }
        }, iter: 25, threads: 1);
    }

    [Fact]
    public async Task A_repeated_key_makes_one_operation_whatever_runs_beside_it()
    {
        var input = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 2], Gen.Int[1, 3]).Array[1, 150];
        await input.SampleAsync(async calls =>
        {
            using var directory = new TemporaryLog();
            await using var log = directory.Open();
            // The model: the first call with a key makes it; the same payload finds it; another is told so.
            var first = new Dictionary<int, (int Payload, OperationId Id)>();
            var running = new List<(LogOutcome Expected, OperationId Id, Task<LogResult> Call)>();
            foreach (var (key, payload, acks) in calls)
            {
                var operation = TemporaryLog.Post("/", acks: (AckLevel)acks, deduplication: Deduplication.Of("client:a", $"{key}", "POST", $"/{payload}", []));
                var expected = !first.TryGetValue(key, out var made) ? LogOutcome.Done : made.Payload == payload ? LogOutcome.Exists : LogOutcome.PayloadDiffers;
                if (expected == LogOutcome.Done)
                    first[key] = made = (payload, operation.Id);
                running.Add((expected, made.Id, log.AcceptAsync(operation, default).AsTask()));
            }
            foreach (var (expected, id, call) in running)
            {
                var result = await call;
                Assert.Equal((expected, id), (result.Outcome, result.Id));
            }
            Assert.Equal(first.Count, log.Lane("payments", 0, 1000).Value!.Count);
        }, iter: 25, threads: 1);
    }

    [Fact]
    public async Task A_key_is_forgotten_with_its_operation()
    {
        await using var log = _directory.Open();
        var deduplication = Deduplication.Of("client:a", "k", "POST", "/", []);
        var operation = TemporaryLog.Post("/", deduplication: deduplication);
        await log.AcceptAsync(operation, new byte[10], Cancellation);
        Assert.Equal(operation.Id, log.Find(deduplication).Value!.Id);

        Assert.Equal(LogOutcome.Done, (await log.ForgetAsync(operation.Id, 1, AckLevel.Leader, Cancellation)).Outcome);
        Assert.Equal(ReadOutcome.NotFound, log.Find(deduplication).Outcome);
        Assert.Equal(ReadOutcome.NotFound, log.Body(operation.Id).Outcome);
        Assert.Empty(log.Lane("payments", 0, 10).Value!);
        Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(TemporaryLog.Post("/", deduplication: deduplication), default, Cancellation)).Outcome);
        Assert.Equal(LogOutcome.NotFound, (await log.ForgetAsync(operation.Id, 1, AckLevel.Leader, Cancellation)).Outcome);
    }

    [Fact]
    public async Task A_change_moves_the_operation_between_the_orders()
    {
        await using var log = _directory.Open();
        var accepted = TemporaryLog.Post("/pay", key: "a") with { Expires = Start.AddHours(1) };
        await log.AcceptAsync(accepted, default, Cancellation);
        Assert.Single(log.DueAttempts("payments", DateTimeOffset.UnixEpoch, Start, 10).Value!);

        var retried = log.Find(accepted.Id).Value! with { Due = Start.AddMinutes(5), AttemptCount = 1, Attempts = [new(Start, AttemptResult.ConnectionFailed, 0)] };
        Assert.Equal(LogOutcome.Done, (await log.UpdateAsync(retried, null, AckLevel.Leader, Cancellation)).Outcome);
        Assert.Empty(log.DueAttempts("payments", DateTimeOffset.UnixEpoch, Start.AddMinutes(4), 10).Value!);
        Assert.Single(log.DueAttempts("payments", DateTimeOffset.UnixEpoch, Start.AddMinutes(5), 10).Value!);
        Assert.Single(log.Due(DueKind.Expiry, Start.AddHours(1), 10).Value!);

        var answered = log.Find(accepted.Id).Value! with { State = OperationState.Succeeded, Finished = Start.AddMinutes(6), Forget = Start.AddDays(1) };
        Assert.Equal(LogOutcome.Done, (await log.UpdateAsync(answered, new Answer(201, [new("A", "b")], new byte[] { 9 }), AckLevel.All, Cancellation)).Outcome);
        Assert.Empty(log.Lane("payments", 0, 10).Value!);
        Assert.Empty(log.Key("payments", "a", 10).Value!);
        Assert.Empty(log.Due(DueKind.Expiry, Start.AddDays(9), 10).Value!);
        Assert.Empty(log.DueAttempts("payments", DateTimeOffset.UnixEpoch, Start.AddDays(9), 10).Value!);
        Assert.Single(log.Due(DueKind.Forget, Start.AddDays(1), 10).Value!);
        Assert.Equal((201, 3L, 1), (log.Find(accepted.Id).Value!.AnswerStatus, log.Find(accepted.Id).Value!.Revision, log.Find(accepted.Id).Value!.AttemptCount));
        Assert.Equal([9], log.Answer(accepted.Id).Value!.Body.ToArray());
    }

    [Fact]
    public async Task The_dead_are_listed_oldest_first_and_page_by_page()
    {
        await using var log = _directory.Open();
        var operations = Enumerable.Range(0, 5).Select(number => TemporaryLog.Post($"/{number}")).ToList();
        foreach (var operation in operations)
        {
            await log.AcceptAsync(operation, default, Cancellation);
            var dead = log.Find(operation.Id).Value! with { State = OperationState.Dead, DeadCause = DeadCause.Poison, Finished = Start.AddSeconds(-operations.IndexOf(operation)) };
            await log.UpdateAsync(dead, null, AckLevel.Leader, Cancellation);
        }
        var page = log.DeadLetters("payments", null, 3).Value!;
        var rest = log.DeadLetters("payments", page[^1], 3).Value!;
        Assert.Equal(operations.AsEnumerable().Reverse().Select(operation => operation.Id), page.Concat(rest).Select(entry => entry.Id));
    }

    [Fact]
    public async Task A_change_that_builds_on_an_older_state_is_refused()
    {
        await using var log = _directory.Open();
        var operation = TemporaryLog.Post("/");
        await log.AcceptAsync(operation, default, Cancellation);
        var read = log.Find(operation.Id).Value!;

        // Both at once: the second is judged against the first though neither is written yet.
        var results = await Task.WhenAll(
            log.UpdateAsync(read with { State = OperationState.Cancelled }, null, AckLevel.All, Cancellation).AsTask(),
            log.UpdateAsync(read with { AttemptCount = 1 }, null, AckLevel.All, Cancellation).AsTask());
        Assert.Equal([LogOutcome.Done, LogOutcome.Conflict], results.Select(result => result.Outcome));
        Assert.Equal(OperationState.Cancelled, log.Find(operation.Id).Value!.State);
        Assert.Equal(LogOutcome.NotFound, (await log.UpdateAsync(TemporaryLog.Post("/"), null, AckLevel.Leader, Cancellation)).Outcome);
    }

    [Fact]
    public async Task Nothing_is_accepted_while_space_is_short_and_it_resumes_by_itself()
    {
        var time = new FakeTimeProvider(Start);
        var config = _directory.Config with { MinimumFreeBytes = 1000 };
        var free = 2000L;
        var (_, opened) = EmbeddedLog.Open(config, time, () => free);
        await using var log = opened!;
        var before = TemporaryLog.Post("/before");
        Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(before, default, Cancellation)).Outcome);

        free = 999;
        time.Advance(TimeSpan.FromSeconds(1));
        foreach (var acks in Enum.GetValues<AckLevel>())
            Assert.Equal(LogOutcome.DiskNearlyFull, (await log.AcceptAsync(TemporaryLog.Post("/", acks: acks), default, Cancellation)).Outcome);
        // What makes room goes on.
        Assert.Equal(LogOutcome.Done, (await log.ForgetAsync(before.Id, 1, AckLevel.All, Cancellation)).Outcome);

        free = 1000;
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(TemporaryLog.Post("/"), default, Cancellation)).Outcome);
        Assert.Single(log.Lane("payments", 0, 10).Value!);
    }

    [Fact]
    public async Task What_is_too_large_is_told()
    {
        await using var log = _directory.Open();
        Assert.Equal(LogOutcome.TooLarge, (await log.AcceptAsync(TemporaryLog.Post("/", lane: new string('x', 256)), default, Cancellation)).Outcome);
        Assert.Equal(LogOutcome.TooLarge, (await log.AcceptAsync(TemporaryLog.Post("/", key: new string('x', 1025)), default, Cancellation)).Outcome);
        Assert.Equal(LogOutcome.TooLarge, (await log.AcceptAsync(TemporaryLog.Post("/"), new byte[_directory.Config.MaxBodyBytes + 1], Cancellation)).Outcome);
        Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(TemporaryLog.Post("/", lane: new string('x', 255), key: new string('x', 1024)), default, Cancellation)).Outcome);
    }

    [Fact]
    public async Task A_closed_log_says_so_and_a_second_owner_is_refused()
    {
        var log = _directory.Open();
        Assert.Equal(OpenOutcome.InUse, EmbeddedLog.Open(_directory.Config, TimeProvider.System).Report.Outcome);
        await log.DisposeAsync();
        Assert.Equal(LogOutcome.Failed, (await log.AcceptAsync(TemporaryLog.Post("/"), default, Cancellation)).Outcome);
        Assert.Equal(ReadOutcome.Unavailable, log.Find(default(OperationId)).Outcome);
    }
}
