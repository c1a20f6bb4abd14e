using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Malha.Proxy.Transport;

namespace Malha.Tests.Transport;

public sealed class PooledAsyncMethodBuilderTests
{
    [Fact]
    public async Task A_method_that_never_waits_has_its_result_at_once()
    {
        var task = Now(5);
        Assert.True(task.IsCompletedSuccessfully);
        Assert.Equal(5, await task);
    }

    [Fact]
    public async Task A_method_that_waits_has_its_result_when_the_wait_is_over()
    {
        var gate = new Gate();
        var task = Twice(gate);
        Assert.False(task.IsCompleted);
        gate.Open(3);
        Assert.False(task.IsCompleted);
        gate.Open(4);
        Assert.True(task.IsCompletedSuccessfully);
        Assert.Equal(7, await task);
    }

    [Fact]
    public async Task An_exception_reaches_whoever_awaits()
    {
        var atOnce = Fails(null);
        Assert.True(atOnce.IsFaulted);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await atOnce);

        var gate = new Gate();
        var later = Fails(gate);
        gate.Open(1);
        Assert.True(later.IsFaulted);
        Assert.Equal("1", (await Assert.ThrowsAsync<InvalidOperationException>(async () => await later)).Message);
    }

    [Fact]
    public async Task Methods_that_await_each_other_pass_their_results_up()
    {
        var gate = new Gate();
        var outer = Outer(gate, 10);
        gate.Open(1);
        Assert.Equal(11, await outer);
    }

    [Fact]
    public async Task Awaiters_that_are_not_critical_are_served_too() => Assert.Equal(6, await Plain());

    [Fact]
    public async Task Many_can_wait_at_once_and_each_has_its_own_result()
    {
        // More than a thread keeps, so that some boxes are reused and some are left to the collector.
        for (var round = 0; round < 3; round++)
        {
            var gates = Enumerable.Range(0, 2_000).Select(_ => new Gate()).ToArray();
            var tasks = gates.Select(Wait).ToArray();
            foreach (var (place, gate) in gates.Index().Reverse())
                gate.Open(place);
            for (var place = 0; place < tasks.Length; place++)
                Assert.Equal(place, await tasks[place]);
        }
    }

    [Fact]
    public async Task Many_threads_can_finish_what_others_began()
    {
        for (var round = 0; round < 20; round++)
        {
            var gates = Enumerable.Range(0, 200).Select(_ => new Gate()).ToArray();
            var sums = gates.Select(gate => Outer(gate, 1).AsTask()).ToArray();
            await Parallel.ForEachAsync(gates.Index(), TestContext.Current.CancellationToken, (pair, _) =>
            {
                pair.Item.Open(pair.Index);
                return ValueTask.CompletedTask;
            });
            Assert.Equal(Enumerable.Range(0, 200).Select(place => place + 1), await Task.WhenAll(sums));
        }
    }

    [Fact]
    public void Waiting_allocates_nothing_once_it_has_been_done()
    {
        var gates = Enumerable.Range(0, 50).Select(_ => new Gate()).ToArray();
        var kept = gates.Select(_ => new Kept()).ToArray();
        long Allocated(int rounds)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var round = 0; round < rounds; round++)
            {
                for (var place = 0; place < gates.Length; place++)
                    kept[place].Keep(Outer(gates[place], round));
                for (var place = 0; place < gates.Length; place++)
                {
                    gates[place].Open(place);
                    if (kept[place].Take() != place + round)
                        throw new InvalidOperationException("another one's result");
                }
            }
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Allocated(100);
        Assert.Equal(0, Allocated(1_000));
    }

    [Fact]
    public async Task A_result_can_be_taken_once()
    {
        var gate = new Gate();
        var kept = new Kept();
        kept.Keep(Wait(gate));
        gate.Open(1);
        Assert.Equal(1, kept.Take());
        Assert.Throws<InvalidOperationException>(() => kept.Take());

        // The box is back, and serves the next one.
        var task = Wait(gate);
        Assert.Throws<InvalidOperationException>(() => kept.Take());
        gate.Open(2);
        Assert.Equal(2, await task);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> Now(int value)
    {
        await ValueTask.CompletedTask;
        return value;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> Wait(Gate gate) => await gate.Next();

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> Twice(Gate gate) => await gate.Next() + await gate.Next();

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> Outer(Gate gate, int add) => await Wait(gate) + add;

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> Fails(Gate? gate)
    {
        var value = gate is null ? 0 : await gate.Next();
        throw new InvalidOperationException($"{value}");
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> Plain()
    {
        await new PlainAwaitable();
        return 6;
    }

    /// <summary>Something to wait for that allocates nothing itself and continues whoever waits on the thread that opens it.</summary>
    private sealed class Gate : IValueTaskSource<int>
    {
        private ManualResetValueTaskSourceCore<int> _core;

        public ValueTask<int> Next() => new(this, _core.Version);

        public void Open(int value) => _core.SetResult(value);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);

        public int GetResult(short token)
        {
            var result = _core.GetResult(token);
            _core.Reset();
            return result;
        }
    }

    /// <summary>A task that is taken later, which an await cannot do without allocating.</summary>
    private sealed class Kept
    {
        private ValueTask<int> _task;

        public void Keep(ValueTask<int> task) => _task = task;

        public int Take() => _task.IsCompletedSuccessfully ? _task.Result : throw new TimeoutException("not yet");
    }

    private readonly struct PlainAwaitable : INotifyCompletion
    {
        public bool IsCompleted => false;

        public PlainAwaitable GetAwaiter() => this;

        public void OnCompleted(Action continuation) => ThreadPool.QueueUserWorkItem(static next => ((Action)next!)(), continuation);

        public void GetResult()
        {
        }
    }
}
