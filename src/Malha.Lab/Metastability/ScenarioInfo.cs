using Malha.Lab.Scenarios;

namespace Malha.Lab.Metastability;

/// <summary>A scenario in words.</summary>
/// <param name="Scenario">What is run.</param>
/// <param name="Title">What happens.</param>
/// <param name="Naive">What the naive arm is.</param>
/// <param name="Trigger">When the trouble is there, in seconds; null where there is no moment.</param>
/// <param name="What">What its curve counts; null where a curve of answers would show nothing.</param>
internal sealed record ScenarioInfo(Scenario Scenario, string Title, string Naive, (double From, double To)? Trigger, string? What = "answered per second")
{
    public static IReadOnlyList<ScenarioInfo> All { get; } =
    [
        new(new StallScenario(), "all service stalls for 3 s at 70 % load", "three blind retries", (30, 33)),
        new(new SlowScenario(), "the service is five times slower for 10 s", "three blind retries", (30, 40)),
        new(new LoadSweepScenario(), "the stall, at loads of 20 to 95 %", "three blind retries", null),
        new(new SpikeScenario(), "twice the capacity for 10 s; a quarter of the usual load is critical", "three blind retries, no classes", (30, 40), "critical calls answered per second"),
        new(new CollapseScenario(), "a service that loses a worker per 50 queued calls, and 18 % more load for 20 s", "three blind retries", (30, 50)),
        new(new CacheScenario(), "a cache with 90 % hits is flushed before a database of 40/s", "three blind retries", (60, 61)),
        new(new LayersScenario(), "three layers with three attempts each, over a leaf that fails", "blind retries in each layer", null, What: null),
        new(new ProbesScenario(), "health checks share ten saturated endpoints with the calls", "three blind retries", (20, 50)),
        new(new ColdStartScenario(), "a dependency dies and restarts cold: a tenth of its speed to all of it in 20 s", "a breaker that opens on five failures and lets all back after 5 s", (20, 50)),
        new(new ShardScenario(), "one of ten shards fails fully", "one breaker for the whole service", (20, 80)),
        new(new ProbeLossScenario(cancelled: false), "the half-open breaker's probe hangs", "a breaker that waits for its probe", (5, 7)),
        new(new ProbeLossScenario(cancelled: true), "the half-open breaker's probe is cancelled by its caller", "a breaker that waits for its probe", (5, 7)),
    ];
}
