using CsCheck;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

/// <summary>Of each key only the first that waits is due, whatever becomes of those before it.</summary>
public sealed class KeyOrderTests
{
    private static readonly DateTimeOffset Late = DateTimeOffset.UnixEpoch.AddDays(30_000);

    private enum Step
    {
        Accept,
        Finish,
        Forget,
        Again,
    }

    [Fact]
    public async Task Only_the_first_of_each_key_is_due_through_every_change_and_a_restart()
    {
        var input = Gen.Select(Gen.Enum<Step>(), Gen.Int[0, 3], Gen.Int[0, 1000]).Array[1, 80];
        await input.SampleAsync(async steps =>
        {
            using var directory = new TemporaryLog();
            // The model: keys and who waits of each, first to last; what has ended.
            var waiting = new List<(string Key, OperationId Id)>();
            var ended = new List<OperationId>();
            await using (var log = directory.Open())
            {
                foreach (var (step, key, which) in steps)
                    await TakeAsync(log, step, key == 0 ? "" : $"key{key}", which, waiting, ended);
                Check(log, waiting);
            }
            await using var again = directory.Open();
            Check(again, waiting);
        }, iter: 40, threads: 1);
    }

    [Fact]
    public async Task Recovery_makes_the_first_that_is_left_due()
    {
        using var directory = new TemporaryLog();
        var operations = Enumerable.Range(0, 3).Select(number => TemporaryLog.Post($"/{number}", key: "a")).ToArray();
        await using (var log = directory.Open())
        {
            foreach (var operation in operations)
                await log.AcceptAsync(operation, default, TestContext.Current.CancellationToken);
        }
        Assert.True(LogRecovery.Recover(directory.Config).Recovered);
        await using var again = directory.Open();
        Assert.Equal(operations[0].Id, Assert.Single(again.DueAttempts("payments", DateTimeOffset.UnixEpoch, Late, 10).Value!).Id);
        Assert.Equal(3, again.Owner("client:a", waits: true, 0, 10).Value!.Count);
    }

    private static async Task TakeAsync(EmbeddedLog log, Step step, string key, int which, List<(string Key, OperationId Id)> waiting, List<OperationId> ended)
    {
        if (step == Step.Accept || waiting.Count == 0)
        {
            var operation = TemporaryLog.Post("/", key: key);
            waiting.Add((key, operation.Id));
            Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(operation, default)).Outcome);
            return;
        }
        if (step == Step.Again)
        {
            if (ended.Count == 0)
                return;
            var back = log.Find(ended[which % ended.Count]).Value!;
            ended.Remove(back.Id);
            waiting.Add((back.Key, back.Id));
            Assert.Equal(LogOutcome.Done, (await log.UpdateAsync(back with { State = OperationState.Waiting, Finished = null }, null, AckLevel.Leader)).Outcome);
            return;
        }
        var (_, id) = waiting[which % waiting.Count];
        waiting.RemoveAll(one => one.Id == id);
        var found = log.Find(id).Value!;
        if (step == Step.Forget)
        {
            Assert.Equal(LogOutcome.Done, (await log.ForgetAsync(id, found.Revision, AckLevel.Leader)).Outcome);
            return;
        }
        ended.Add(id);
        Assert.Equal(LogOutcome.Done, (await log.UpdateAsync(found with { State = OperationState.Dead, Finished = found.Created }, null, AckLevel.Leader)).Outcome);
    }

    private static void Check(EmbeddedLog log, List<(string Key, OperationId Id)> waiting)
    {
        var firsts = waiting.Where(one => one.Key.Length == 0).Concat(waiting.Where(one => one.Key.Length > 0).GroupBy(one => one.Key).Select(key => key.First())).Select(one => one.Id);
        Assert.Equal(firsts.Order(Comparer<OperationId>.Create((a, b) => a.Value.CompareTo(b.Value))),
            log.DueAttempts("payments", DateTimeOffset.UnixEpoch, Late, 1000).Value!.Select(entry => entry.Id).Order(Comparer<OperationId>.Create((a, b) => a.Value.CompareTo(b.Value))));
        Assert.Equal(waiting.Count, log.Depth("payments"));
        Assert.Equal(waiting.Select(one => one.Id), log.Lane("payments", 0, 1000).Value!.Select(entry => entry.Id));
    }
}
