using BenchmarkDotNet.Attributes;
using Malha.Resilience;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace Malha.Benchmarks;

/// <summary>Timeout, retry and breaker around a call that completes at once: the least that protection costs.</summary>
[MemoryDiagnoser]
public class PipelineBenchmarks
{
    private static readonly Func<int, CancellationToken, ValueTask<int>> Callback = static (state, _) => new ValueTask<int>(state);

    private readonly Polly.ResiliencePipeline _polly = new ResiliencePipelineBuilder()
        .AddTimeout(new TimeoutStrategyOptions { Timeout = TimeSpan.FromSeconds(15) })
        .AddRetry(new RetryStrategyOptions { MaxRetryAttempts = 2, BackoffType = DelayBackoffType.Exponential, UseJitter = true })
        .AddCircuitBreaker(new CircuitBreakerStrategyOptions { FailureRatio = .5, MinimumThroughput = 20, SamplingDuration = TimeSpan.FromSeconds(10) })
        .Build();

    private readonly Malha.Resilience.ResiliencePipeline _malha = new(new ResiliencePipelineOptions(), TimeProvider.System, new Chance(1));

    private readonly Malha.Resilience.ResiliencePipeline _all =
        new(new ResiliencePipelineOptions { Limit = new ConcurrencyLimitOptions() }, TimeProvider.System, new Chance(1));

    [Benchmark(Baseline = true)]
    public ValueTask<int> PollyTimeoutRetryBreaker() => _polly.ExecuteAsync(Callback, 42);

    [Benchmark]
    public ValueTask<int> MalhaTimeoutRetryBudgetBreaker() => _malha.ExecuteAsync(Callback, 42);

    [Benchmark]
    public ValueTask<int> MalhaWithAdaptiveLimitToo() => _all.ExecuteAsync(Callback, 42);
}
