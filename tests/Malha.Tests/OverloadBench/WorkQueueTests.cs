using Malha.Bench.Overload;
using Malha.Bench.Overload.Service;

namespace Malha.Tests.OverloadBench;

/// <summary>The service of bench/overload in virtual time.</summary>
public sealed class WorkQueueTests
{
    private const long Ms = PreciseTime.Millisecond;

    [Fact]
    public void Work_is_done_first_in_first_out_by_so_many_workers()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 2, ServiceMs: 50));
        Enqueue(queue, 5, at: 0);
        Assert.Equal([50, 50, 100, 100, 150], DoneMs(queue, until: 1000 * Ms));
    }

    [Fact]
    public void A_late_look_at_the_clock_loses_no_capacity()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 1, ServiceMs: 10));
        Enqueue(queue, 3, at: 0);
        Assert.True(queue.TryTakeDone(17 * Ms, out var first));
        Assert.Equal(10 * Ms, first.DoneAt);
        Assert.Equal(20 * Ms, queue.NextDone);
    }

    [Fact]
    public void Work_that_came_after_a_worker_became_free_starts_when_it_came()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 1, ServiceMs: 10));
        Enqueue(queue, 1, at: 0);
        Enqueue(queue, 1, at: 15 * Ms);
        Assert.Equal([10, 25], DoneMs(queue, until: 100 * Ms));
    }

    [Fact]
    public void A_stall_delays_what_is_running_and_what_starts()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 1, ServiceMs: 50));
        Enqueue(queue, 2, at: 0);
        queue.Stall(20 * Ms, 3000 * Ms);
        Enqueue(queue, 1, at: 100 * Ms);
        Assert.Equal([3050, 3100, 3150], DoneMs(queue, until: 10_000 * Ms));
    }

    [Fact]
    public void A_stall_of_an_idle_service_delays_the_first_work()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 1, ServiceMs: 50));
        queue.Stall(0, 3000 * Ms);
        Enqueue(queue, 1, at: 100 * Ms);
        Assert.Equal([3050], DoneMs(queue, until: 10_000 * Ms));
    }

    [Fact]
    public void What_starts_while_the_service_is_slow_takes_longer_by_the_factor()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 1, ServiceMs: 50));
        Enqueue(queue, 4, at: 0);
        queue.Slow(5, until: 200 * Ms);
        Assert.Equal([50, 300, 350, 400], DoneMs(queue, until: 10_000 * Ms));
    }

    [Fact]
    public void Workers_are_lost_while_too_many_wait_and_come_back()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 10, ServiceMs: 50, LoseWorkerPerQueued: 50));
        Enqueue(queue, 510, at: 0);
        Assert.Equal(500, queue.Waiting);
        // Ten are running; with 500 in the queue only one of those who end goes on.
        for (var i = 0; i < 10; i++)
            Assert.True(queue.TryTakeDone(50 * Ms, out _));
        Assert.Equal(1, queue.Running);
        Assert.Equal(499, queue.Waiting);
        while (queue.Waiting > 0)
            Assert.True(queue.TryTakeDone(long.MaxValue, out _));
        Assert.Equal(10, queue.Running);
    }

    [Fact]
    public void Exponential_service_times_have_the_mean_that_was_asked_for()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 1, ServiceMs: 50, Exponential: true, Seed: 7));
        Enqueue(queue, 20_000, at: 0);
        Assert.Equal(50, DoneMs(queue, long.MaxValue)[^1] / 20_000, tolerance: 1.5);
    }

    [Fact]
    public async Task A_reset_ends_what_was_left_without_an_answer()
    {
        var queue = new WorkQueue(new WorkSettings(Workers: 1));
        var work = new Work(serviceMs: null, CancellationToken.None);
        queue.Enqueue(work, 0);
        Assert.Equal([work], queue.Clear());
        Assert.Null(queue.NextDone);
        work.End(worked: false);
        Assert.False(await work.Done);
    }

    private static void Enqueue(WorkQueue queue, int count, long at)
    {
        for (var i = 0; i < count; i++)
            queue.Enqueue(new Work(serviceMs: null, CancellationToken.None), at);
    }

    private static List<double> DoneMs(WorkQueue queue, long until)
    {
        var done = new List<double>();
        while (queue.TryTakeDone(until, out var work))
            done.Add((double)work.DoneAt / Ms);
        return done;
    }
}
