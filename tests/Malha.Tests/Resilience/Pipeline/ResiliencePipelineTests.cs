using Malha.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Resilience;

public sealed class ResiliencePipelineTests
{
    private readonly FakeTimeProvider _time = new();

    private ResiliencePipeline Make(ResiliencePipelineOptions? options = null) =>
        new(options ?? new ResiliencePipelineOptions { Retry = new RetryOptions { Backoff = BackoffKind.None } }, _time, new Chance(1));

    [Fact]
    public async Task A_success_passes_through()
    {
        var outcome = await Make().TryExecuteAsync(static (state, _) => new ValueTask<int>(state + 1), 41, TestContext.Current.CancellationToken);
        Assert.Equal((42, 1, true), (outcome.Value, outcome.Attempts, outcome.Succeeded));
    }

    [Fact]
    public async Task Failures_are_retried_whether_thrown_at_once_or_later()
    {
        var calls = 0;
        var outcome = await Make().TryExecuteAsync(
            async (_, _) =>
            {
                if (++calls == 1)
                    throw new InvalidOperationException("first");
                await Task.Yield();
                return calls == 3 ? calls : throw new InvalidOperationException("second");
            },
            0,
            TestContext.Current.CancellationToken);
        Assert.Equal((3, 3), (outcome.Value, outcome.Attempts));
    }

    [Fact]
    public async Task The_last_exception_comes_out()
    {
        var pipeline = Make();
        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(
            async () => await pipeline.ExecuteAsync<int, int>(static (_, _) => throw new InvalidOperationException("no"), 0, TestContext.Current.CancellationToken));
        Assert.Equal("no", thrown.Message);
    }

    [Fact]
    public async Task An_open_breaker_refuses_without_calling()
    {
        var pipeline = Make();
        pipeline.Breaker!.SetMode(BreakerMode.ForcedOpen, default, At.S(60));
        var outcome = await pipeline.TryExecuteAsync<int, int>(static (_, _) => throw new InvalidOperationException(), 0, TestContext.Current.CancellationToken);
        Assert.Equal((PipelineRefusal.BreakerOpen, At.S(60)), (outcome.Refusal, outcome.RetryAfter));
        var thrown = await Assert.ThrowsAsync<ResilienceRefusedException>(
            async () => await pipeline.ExecuteAsync(static (_, _) => new ValueTask<int>(1), 0, TestContext.Current.CancellationToken));
        Assert.Equal(PipelineRefusal.BreakerOpen, thrown.Refusal);
    }

    [Fact]
    public async Task An_attempt_that_hangs_times_out_and_the_next_one_answers()
    {
        var options = new ResiliencePipelineOptions
        {
            Deadline = new DeadlineOptions { Timeout = At.S(10), AttemptTimeout = At.S(1) },
            Retry = new RetryOptions { Backoff = BackoffKind.None },
        };
        var calls = 0;
        var running = Make(options).TryExecuteAsync(
            async (_, token) =>
            {
                if (++calls == 1)
                    await Task.Delay(Timeout.Infinite, token);
                return calls;
            },
            0,
            TestContext.Current.CancellationToken).AsTask();
        Assert.False(running.IsCompleted);
        _time.Advance(At.S(1));
        Assert.Equal(2, (await running).Value);
    }

    [Fact]
    public async Task A_callers_cancellation_reaches_the_attempt_and_does_not_count_against_the_service()
    {
        var pipeline = Make();
        for (var i = 0; i < 10; i++)
        {
            using var caller = new CancellationTokenSource();
            var running = pipeline.TryExecuteAsync(
                static async (_, token) =>
                {
                    await Task.Delay(Timeout.Infinite, token);
                    return 0;
                },
                0,
                caller.Token).AsTask();
            await caller.CancelAsync();
            Assert.IsAssignableFrom<OperationCanceledException>((await running).Exception);
        }

        Assert.Equal(0, pipeline.Breaker!.Snapshot(default).Failures);
    }

    [Fact]
    public async Task The_limit_refuses_what_does_not_fit_and_gives_its_places_back()
    {
        var pipeline = Make(new ResiliencePipelineOptions { Limit = new ConcurrencyLimitOptions { Fixed = 1 } });
        var gate = new TaskCompletionSource<int>();
        var first = pipeline.TryExecuteAsync(static (g, _) => new ValueTask<int>(g.Task), gate, TestContext.Current.CancellationToken).AsTask();
        Assert.Equal(PipelineRefusal.LimitReached, (await Try()).Refusal);
        gate.SetResult(1);
        await first;
        Assert.True((await Try()).Succeeded);

        ValueTask<Outcome<int>> Try() => pipeline.TryExecuteAsync(static (_, _) => new ValueTask<int>(2), 0, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Calling_and_refusing_allocate_nothing_when_they_complete_at_once()
    {
        // The real clock: the fake one allocates for its timers.
        var options = new ResiliencePipelineOptions { Limit = new ConcurrencyLimitOptions() };
        var pipeline = new ResiliencePipeline(options, TimeProvider.System, new Chance(1));
        var refusing = new ResiliencePipeline(options, TimeProvider.System, new Chance(1));
        refusing.Breaker!.SetMode(BreakerMode.ForcedOpen, default, At.S(600));
        await Both();
        await Both();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            await Call(pipeline);
            await Call(refusing);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        async Task Both()
        {
            await Call(pipeline);
            await Call(refusing);
        }

        static ValueTask<Outcome<int>> Call(ResiliencePipeline p) => p.TryExecuteAsync(static (state, _) => new ValueTask<int>(state), 42, CancellationToken.None);
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once_with_their_policy()
    {
        var errors = new ResiliencePipelineOptions { Retry = new RetryOptions { Attempts = 0 }, Limit = new ConcurrencyLimitOptions { Fixed = 0 } }.Validate();
        Assert.Equal(["Retry.Attempts", "Limit.Fixed"], errors.Select(error => error.Option));
    }
}
