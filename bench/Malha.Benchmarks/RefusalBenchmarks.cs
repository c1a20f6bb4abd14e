using BenchmarkDotNet.Attributes;
using Malha.Resilience;

namespace Malha.Benchmarks;

/// <summary>What a refusal costs: it is what a service in trouble gets most of.</summary>
[MemoryDiagnoser]
public class RefusalBenchmarks
{
    private static readonly Func<int, CancellationToken, ValueTask<int>> Callback = static (state, _) => new ValueTask<int>(state);

    private readonly Clock _clock = new(TimeProvider.System);
    private readonly CircuitBreaker _breaker = new(new BreakerOptions(), new Chance(1));
    private readonly ResiliencePipeline _pipeline = new(new ResiliencePipelineOptions(), TimeProvider.System, new Chance(1));
    private readonly ConcurrencyLimiter _limiter = new(new ConcurrencyLimitOptions { Fixed = 1 });
    private readonly AdmissionController _admission = new(new AdmissionOptions { Limit = new ConcurrencyLimitOptions { Fixed = 1 } });
    private readonly Gcra _limit = new(new RateLimitOptions { Limit = 1, Period = TimeSpan.FromDays(1) });
    private readonly RateLimitStore _store = new();

    [GlobalSetup]
    public void Fill()
    {
        _breaker.SetMode(BreakerMode.ForcedOpen, _clock.Now, TimeSpan.FromDays(1));
        _pipeline.Breaker!.SetMode(BreakerMode.ForcedOpen, _clock.Now, TimeSpan.FromDays(1));
        _limiter.TryAcquire(_clock.Now, out _);
        _admission.TryAdmit(0, null, Deadline.None, _clock.Now);
        _store.TryTake(7, _limit, _clock.Now);
    }

    [Benchmark]
    public bool OpenBreaker() => _breaker.TryAcquire(_clock.Now).Allowed;

    [Benchmark]
    public ValueTask<Outcome<int>> PipelineWithAnOpenBreaker() => _pipeline.TryExecuteAsync(Callback, 42);

    [Benchmark]
    public bool ConcurrencyLimit() => _limiter.TryAcquire(_clock.Now, out _);

    [Benchmark]
    public AdmissionVerdict Admission() => _admission.TryAdmit(0, null, Deadline.None, _clock.Now).Verdict;

    [Benchmark]
    public bool RateLimit() => _store.TryTake(7, _limit, _clock.Now).Allowed;
}
