using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

public sealed class WriteQueueTests
{
    private static readonly TimeSpan NoWait = TimeSpan.Zero;

    [Fact]
    public void A_full_queue_refuses_until_what_it_holds_is_completed_not_merely_taken()
    {
        var queue = new WriteQueue(2, long.MaxValue);
        Assert.Null(queue.TryAdd(Pending()));
        Assert.Null(queue.TryAdd(Pending()));
        Assert.Equal(LogOutcome.Full, queue.TryAdd(Pending()));

        var group = new List<PendingWrite>();
        queue.Take(group, 10, long.MaxValue, NoWait);
        Assert.Equal(2, group.Count);
        Assert.Equal(LogOutcome.Full, queue.TryAdd(Pending()));

        queue.Release(group[0]);
        Assert.Null(queue.TryAdd(Pending()));
    }

    [Fact]
    public void Bytes_are_bounded_in_the_queue_and_in_a_group_and_one_write_always_fits_a_group()
    {
        var queue = new WriteQueue(100, 10_000);
        for (var number = 0; number < 3; number++)
            Assert.Null(queue.TryAdd(Pending(2_000)));
        Assert.Equal(LogOutcome.Full, queue.TryAdd(Pending(9_000)));

        var group = new List<PendingWrite>();
        queue.Take(group, 10, 5_500, NoWait);
        Assert.Equal(2, group.Count);
        group.Clear();
        queue.Take(group, 10, 1, NoWait);
        Assert.Single(group);
    }

    [Fact]
    public void After_a_failure_is_declared_nothing_is_admitted()
    {
        var queue = new WriteQueue(2, long.MaxValue);
        queue.Refuse(LogOutcome.Failed);
        Assert.Equal(LogOutcome.Failed, queue.TryAdd(Pending()));
        queue.Refuse(null);
        Assert.Null(queue.TryAdd(Pending()));
    }

    [Fact]
    public async Task Who_gives_up_before_the_writer_takes_it_knows_that_nothing_is_stored()
    {
        using var cancel = new CancellationTokenSource();
        var pending = Pending();
        var wait = pending.Wait(cancel.Token);
        await cancel.CancelAsync();
        Assert.Equal(LogOutcome.Withdrawn, (await wait).Outcome);
        Assert.False(pending.TryTake());
    }

    [Fact]
    public async Task Who_gives_up_afterwards_knows_that_it_may_be_stored()
    {
        using var cancel = new CancellationTokenSource();
        var pending = Pending();
        var wait = pending.Wait(cancel.Token);
        Assert.True(pending.TryTake());
        await cancel.CancelAsync();
        Assert.Equal(LogOutcome.Abandoned, (await wait).Outcome);
        pending.Complete(new LogResult(LogOutcome.Done, default));
    }

    private static PendingWrite Pending(int bytes = 0) => new(new LogCommand.Accept(TemporaryLog.Post("/"), new byte[bytes]), AckLevel.All, 0);
}
