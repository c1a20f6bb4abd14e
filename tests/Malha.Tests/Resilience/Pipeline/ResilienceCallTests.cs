using Malha.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Resilience;

/// <summary>Calls that say how their answers are to be read; hedging, the queue and the throttle in the pipeline.</summary>
public sealed class ResilienceCallTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Numbers _call = new();
    private readonly Clock _clock;

    public ResilienceCallTests() => _clock = new Clock(_time);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_answer_that_reports_a_failure_is_tried_again_and_discarded()
    {
        _call.Answers.Enqueue(-1);
        _call.Answers.Enqueue(7);
        var outcome = await Pass(Make().TryExecuteAsync(_call, 0, Stop));
        Assert.Equal((7, 2, true), (outcome.Value, outcome.Attempts, outcome.Succeeded));
        Assert.Equal([-1], _call.Discarded);
        Assert.Equal([1, 2], _call.Attempts);
    }

    [Fact]
    public async Task The_last_answer_is_the_callers_though_it_reports_a_failure()
    {
        foreach (var answer in new[] { -1, -2, -3 })
            _call.Answers.Enqueue(answer);
        var outcome = await Pass(Make().TryExecuteAsync(_call, 0, Stop));
        Assert.Equal((-3, false, OutcomeKind.Failure), (outcome.Value, outcome.Succeeded, outcome.Kind));
        Assert.Equal([-1, -2], _call.Discarded);
        Assert.Equal(-3, outcome.GetResultOrThrow());
    }

    [Fact]
    public async Task What_must_not_run_twice_is_neither_retried_nor_hedged()
    {
        _call.MayRepeat = false;
        var pipeline = Make(options => options with { Hedging = new HedgingOptions { Delay = At.S(.1) }, Deadline = new DeadlineOptions { Timeout = At.S(3), AttemptTimeout = At.S(1) } });
        var outcome = await Pass(pipeline.TryExecuteAsync(_call, 0, Stop));
        Assert.Equal((OutcomeKind.Timeout, 1), (outcome.Kind, outcome.Attempts));
    }

    [Fact]
    public async Task Of_two_attempts_the_first_answer_wins_and_the_other_is_abandoned()
    {
        var pipeline = Make(options => options with { Hedging = new HedgingOptions { Delay = At.S(.1) }, Admission = new AdmissionOptions() });
        _call.Hangs.Add(1);
        _call.Answers.Enqueue(5);
        var outcome = await Pass(pipeline.TryExecuteAsync(_call, 0, Stop));
        Assert.Equal((5, 2), (outcome.Value, outcome.Attempts));
        await Until(() => pipeline.Admission!.Snapshot(Now).InFlight == 0);
        Assert.Equal(0, pipeline.Breaker!.Snapshot(Now).Failures);
    }

    [Fact]
    public async Task A_hedge_that_fails_leaves_the_first_attempt_its_time()
    {
        var pipeline = Make(options => options with { Hedging = new HedgingOptions { Delay = At.S(.1) }, Retry = null });
        _call.Hangs.Add(1);
        _call.Answers.Enqueue(-9);
        var running = pipeline.TryExecuteAsync(_call, 0, Stop).AsTask();
        await Until(() => _call.Discarded.Count == 1);
        _call.Release.SetResult(4);
        var outcome = await Pass(new ValueTask<Outcome<int>>(running));
        Assert.Equal((4, 2), (outcome.Value, outcome.Attempts));
    }

    [Fact]
    public async Task Hedges_are_paid_from_the_budget()
    {
        var pipeline = Make(options => options with
        {
            Hedging = new HedgingOptions { Delay = At.S(.1) },
            Budget = new RetryBudgetOptions { FloorPerSecond = 0 },
            Deadline = new DeadlineOptions { Timeout = At.S(1) },
        });
        _call.Hangs.Add(1);
        var outcome = await Pass(pipeline.TryExecuteAsync(_call, 0, Stop));
        Assert.Equal((OutcomeKind.Timeout, 1), (outcome.Kind, outcome.Attempts));
    }

    [Fact]
    public async Task Back_pressure_feeds_the_throttle_and_not_the_breaker()
    {
        var pipeline = Make(options => options with { Throttle = new ThrottleOptions(), Retry = null });
        var refused = 0;
        for (var i = 0; i < 100; i++)
        {
            _call.Answers.Clear();
            _call.Answers.Enqueue(Numbers.Pressed);
            var outcome = await pipeline.TryExecuteAsync(_call, 0, Stop);
            refused += outcome.Refusal == PipelineRefusal.Throttled ? 1 : 0;
        }

        Assert.InRange(refused, 70, 99);
        Assert.Equal(100 - refused, _call.Attempts.Count);
        Assert.Equal((BreakerState.Closed, 0L), (pipeline.Breaker!.Snapshot(Now).State, pipeline.Breaker.Snapshot(Now).Failures));
    }

    [Fact]
    public async Task An_attempt_that_timed_out_goes_on_counting_as_in_flight()
    {
        var pipeline = Make(options => options with
        {
            Retry = null,
            Deadline = new DeadlineOptions { Timeout = At.S(1) },
            Admission = new AdmissionOptions { Limit = new ConcurrencyLimitOptions { Fixed = 5 } },
        });
        _call.Takes = token => Task.Delay(At.S(.2), _time, token);
        _call.Answers.Enqueue(1);
        await Pass(pipeline.TryExecuteAsync(_call, 0, Stop));
        var outcome = await Pass(pipeline.TryExecuteAsync(_call, 0, Stop));
        Assert.Equal(OutcomeKind.Timeout, outcome.Kind);
        // For as long as an answer takes.
        Assert.Equal(1, pipeline.Admission!.Snapshot(Now).Abandoned);
        _time.Advance(At.S(.3));
        Assert.Equal(0, pipeline.Admission.Snapshot(Now).Abandoned);
    }

    [Fact]
    public void Two_limits_are_one_too_many() => Assert.Equal(
        ["Admission"], new ResiliencePipelineOptions { Limit = new ConcurrencyLimitOptions(), Admission = new AdmissionOptions() }.Validate().Select(error => error.Option));

    private Moment Now => _clock.Now;

    private ResiliencePipeline Make(Func<ResiliencePipelineOptions, ResiliencePipelineOptions>? change = null)
    {
        var options = new ResiliencePipelineOptions { Retry = new RetryOptions { Backoff = BackoffKind.None } };
        return new ResiliencePipeline(change?.Invoke(options) ?? options, _time, new Chance(1));
    }

    private async Task<Outcome<int>> Pass(ValueTask<Outcome<int>> running)
    {
        var task = running.AsTask();
        await Until(() => task.IsCompleted);
        return await task;
    }

    /// <summary>Moves the clock in small steps until something holds.</summary>
    private async Task Until(Func<bool> holds)
    {
        while (!holds())
        {
            _time.Advance(At.S(.005));
            await Task.Delay(1, Stop);
        }
    }

    /// <summary>A call whose answers are numbers: a negative one reports a failure.</summary>
    private sealed class Numbers : ResilienceCall<int, int>
    {
        public const int Pressed = -429;

        public Queue<int> Answers { get; } = new();

        /// <summary>Attempts that answer only when <see cref="Release"/> does.</summary>
        public HashSet<int> Hangs { get; } = [];

        public TaskCompletionSource<int> Release { get; } = new();

        public List<int> Attempts { get; } = [];

        public List<int> Discarded { get; } = [];

        public bool MayRepeat { get; set; } = true;

        /// <summary>What an attempt waits for before it answers.</summary>
        public Func<CancellationToken, Task> Takes { get; set; } = _ => Task.CompletedTask;

        public override bool CanRepeat(int state) => MayRepeat;

        public override async ValueTask<int> AttemptAsync(int state, int number, CancellationToken cancellationToken)
        {
            Attempts.Add(number);
            await Takes(cancellationToken);
            return Hangs.Contains(Attempts.Count) || Answers.Count == 0 ? await Release.Task.WaitAsync(cancellationToken) : Answers.Dequeue();
        }

        public override AttemptJudgement Judge(int state, int answer, Exception? exception) => exception is not null || answer >= 0
            ? base.Judge(state, answer, exception)
            : new AttemptJudgement(answer == Pressed ? OutcomeKind.BackPressure : OutcomeKind.Failure, Retryability.Retryable);

        public override void Discard(int answer) => Discarded.Add(answer);
    }
}
