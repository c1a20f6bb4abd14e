using CsCheck;
using Malha.Configuration;
using Malha.Configuration.Reading;
using Malha.Configuration.Reading.Sections;
using Malha.Configuration.Validation;
using Malha.Resilience;
using KeyDefaults = Malha.Configuration.Defaults;

namespace Malha.Tests.Configuration;

/// <summary>The keys of a service's policies: capacity, concurrency, throttle, retry, hedge and breaker. What is said of bad ones is in Golden/policies.</summary>
public sealed class PolicyKeysTests
{
    private static readonly string[] Policies = ["capacity", "concurrency", "throttle", "retry", "hedge", "breaker"];

    [Fact]
    public void All_keys_are_read()
    {
        var service = Service("""
            capacity: { rate: 600/min, burst: 120 }
            concurrency: { initial: 30, min: 5, max: 300 }
            throttle: { below: 80%, window: 30s }
            retry: { attempts: 4, backoff: linear, base: 10ms, max: 1s, budget: { ratio: 20%, floor: 30/min } }
            hedge: { delay: 100ms, hedges: 2 }
            breaker: { failures: 40%, consecutive: 7, slow: { over: 1s, rate: 60% }, window: 20s, minimum: 10, open: 2s..1m, probes: 6, successes: 3, ramp: 10s }
            """);
        Assert.Equal(new RateLimitOptions { Limit = 600, Period = TimeSpan.FromMinutes(1), Burst = 120 }, service.Capacity);
        Assert.Equal(new ConcurrencyLimitOptions { Initial = 30, Min = 5, Max = 300 }, service.Concurrency);
        Assert.Equal(new ThrottleOptions { Multiplier = 1.25, Window = TimeSpan.FromSeconds(30) }, service.Throttle);
        Assert.Equal(
            new RetryOptions { Attempts = 4, Backoff = BackoffKind.Linear, Base = TimeSpan.FromMilliseconds(10), Max = TimeSpan.FromSeconds(1) },
            service.Retry);
        Assert.Equal(new RetryBudgetOptions { Ratio = 0.2, FloorPerSecond = 0.5 }, service.RetryBudget);
        Assert.Equal(new HedgingOptions { Delay = TimeSpan.FromMilliseconds(100), Hedges = 2 }, service.Hedge);
        Assert.Equal(
            new BreakerOptions
            {
                FailureRatio = 0.4,
                Consecutive = 7,
                SlowOver = TimeSpan.FromSeconds(1),
                SlowRatio = 0.6,
                Window = TimeSpan.FromSeconds(20),
                Minimum = 10,
                Open = TimeSpan.FromSeconds(2),
                OpenMax = TimeSpan.FromMinutes(1),
                Probes = 6,
                ProbeSuccesses = 3,
                Ramp = TimeSpan.FromSeconds(10),
            },
            service.Breaker);
    }

    [Fact]
    public void Without_the_keys_the_concurrency_is_adaptive_the_throttle_on_and_the_rest_off()
    {
        var service = Service("");
        Assert.Equal(new ConcurrencyLimitOptions(), service.Concurrency);
        Assert.Equal(new ThrottleOptions(), service.Throttle);
        Assert.Equal(new RetryBudgetOptions(), service.RetryBudget);
        Assert.Null(service.Capacity);
        Assert.Null(service.Retry);
        Assert.Null(service.Hedge);
        Assert.Null(service.Breaker);
    }

    [Fact]
    public void An_empty_map_turns_a_policy_on_with_its_defaults()
    {
        var service = Service("concurrency: {}\nretry: {}\nhedge: {}\nbreaker: {}");
        Assert.Equal(new ConcurrencyLimitOptions(), service.Concurrency);
        Assert.Equal(new RetryOptions(), service.Retry);
        Assert.Equal(new RetryBudgetOptions(), service.RetryBudget);
        Assert.Equal(new HedgingOptions(), service.Hedge);
        Assert.Equal(new BreakerOptions(), service.Breaker);
    }

    [Fact]
    public void Off_turns_a_policy_off()
    {
        var service = Service("concurrency: off\nretry: off\nhedge: off\nbreaker: off");
        Assert.Null(service.Concurrency);
        Assert.Null(service.Retry);
        Assert.Null(service.Hedge);
        Assert.Null(service.Breaker);
        Assert.Equal(new RetryBudgetOptions(), service.RetryBudget);
    }

    [Fact]
    public void Short_forms_are_read()
    {
        Assert.Equal(new RateLimitOptions { Limit = 100 }, Service("capacity: 100/s").Capacity);
        Assert.Equal(new ConcurrencyLimitOptions { Fixed = 50 }, Service("concurrency: 50").Concurrency);
        Assert.Equal(new ConcurrencyLimitOptions(), Service("concurrency: adaptive").Concurrency);
        Assert.Equal(new RetryBudgetOptions { Ratio = 0.05 }, Service("retry: { budget: 5% }").RetryBudget);
        Assert.Null(Service("hedge: { delay: p95 }").Hedge!.Delay);
        Assert.Equal(new BreakerOptions { Open = TimeSpan.FromSeconds(7) }, Service("breaker: { open: 7s }").Breaker);
    }

    [Fact]
    public void Each_rule_of_the_breaker_can_be_turned_off()
    {
        Assert.Equal(new BreakerOptions { FailureRatio = null }, Service("breaker: { failures: off }").Breaker);
        Assert.Equal(new BreakerOptions { Consecutive = null }, Service("breaker: { consecutive: off }").Breaker);
        Assert.Equal(new BreakerOptions { SlowOver = null }, Service("breaker: { slow: off }").Breaker);
        Assert.Equal(new BreakerOptions { Ramp = TimeSpan.Zero }, Service("breaker: { ramp: off }").Breaker);
        Assert.Equal(new RetryBudgetOptions { FloorPerSecond = 0 }, Service("retry: { budget: { floor: off } }").RetryBudget);
    }

    [Fact]
    public void A_route_has_its_service_s_policies_its_own_or_none()
    {
        var routes = Yaml.Good(Yaml.Edge + """
            services: { a: { endpoints: [127.0.0.1:7001], retry: { attempts: 5, base: 1s }, hedge: {} } }
            routes:
              - { match: { path: /a }, service: a }
              - { match: { path: /b }, service: a, retry: off, hedge: off }
              - { match: { path: /c }, service: a, retry: { attempts: 2 }, hedge: { hedges: 3 } }
            """).Routes;
        Assert.Null(routes[0].Retry);
        Assert.Null(routes[0].Hedge);
        Assert.Equal(new PolicyOverride<RetryOptions>(null), routes[1].Retry);
        Assert.Equal(new PolicyOverride<HedgingOptions>(null), routes[1].Hedge);
        Assert.Equal(new PolicyOverride<RetryOptions>(new RetryOptions { Attempts = 2 }), routes[2].Retry);
        Assert.Equal(new PolicyOverride<HedgingOptions>(new HedgingOptions { Hedges = 3 }), routes[2].Hedge);
    }

    [Fact]
    public void A_service_knows_the_places_of_its_policies_keys()
    {
        var source = Service("retry: { attempts: 4, budget: 5% }\nbreaker:\n  slow: { over: 1s }").Source;
        Assert.True(source.Says("retry"));
        Assert.True(source.Says("retry.attempts"));
        Assert.True(source.Says("retry.budget.ratio"));
        Assert.True(source.Says("breaker.slow.over"));
        Assert.False(source.Says("retry.base"));
        Assert.False(source.Says("hedge"));
        var place = source.Of("retry.attempts");
        Assert.Equal(("services.a.retry.attempts", "malha.yaml:5:24"), (place.Path, place.ToString()));
    }

    [Fact]
    public void Explain_shows_each_setting_of_a_policy_with_its_origin()
    {
        var settings = Explain(Text("""
            capacity: 100/s
            concurrency: { min: 5 }
            retry: { attempts: 4, budget: 5% }
            hedge: { hedges: 2 }
            breaker:
              failures: off
              slow: { over: 1s }
              open: 2s
            """));
        Assert.Equal(("100/s", "malha.yaml:5:15"), settings["services.a.capacity.rate"]);
        Assert.Equal(("as many as rate has in its period", "default"), settings["services.a.capacity.burst"]);
        Assert.Equal(("adaptive", "malha.yaml:6:5"), settings["services.a.concurrency"]);
        Assert.Equal(("5", "malha.yaml:6:25"), settings["services.a.concurrency.min"]);
        Assert.Equal(("4000", $"default ({KeyDefaults.LimitMax.Origin})"), settings["services.a.concurrency.max"]);
        Assert.Equal(("4", "malha.yaml:7:24"), settings["services.a.retry.attempts"]);
        Assert.Equal(("50ms", $"default ({KeyDefaults.RetryBase.Origin})"), settings["services.a.retry.base"]);
        Assert.Equal(("5%", "malha.yaml:7:35"), settings["services.a.retry.budget.ratio"]);
        Assert.Equal(("1/s", $"default ({KeyDefaults.BudgetFloor.Origin})"), settings["services.a.retry.budget.floor"]);
        Assert.Equal(("p95", $"default ({KeyDefaults.HedgeDelay.Origin})"), settings["services.a.hedge.delay"]);
        Assert.Equal(("2", "malha.yaml:8:22"), settings["services.a.hedge.hedges"]);
        Assert.Equal(("off", "malha.yaml:10:17"), settings["services.a.breaker.failures"]);
        Assert.Equal(("5", $"default ({KeyDefaults.BreakerConsecutive.Origin})"), settings["services.a.breaker.consecutive"]);
        Assert.Equal(("1s", "malha.yaml:11:21"), settings["services.a.breaker.slow.over"]);
        Assert.Equal(("50%", $"default ({KeyDefaults.BreakerSlowRate.Origin})"), settings["services.a.breaker.slow.rate"]);
        Assert.Equal(("2s..5m", "malha.yaml:12:13"), settings["services.a.breaker.open"]);
        Assert.Equal(("the majority of probes", "default"), settings["services.a.breaker.successes"]);
    }

    [Fact]
    public void Explain_shows_what_is_off_and_what_a_route_says()
    {
        var settings = Explain(Text("concurrency: off\nretry: off") + """
            routes:
              - { service: a, retry: { attempts: 2 }, hedge: off }
              - { match: { path: /a }, service: a }
            """);
        Assert.Equal(("off", "malha.yaml:5:18"), settings["services.a.concurrency"]);
        Assert.Equal(("off", "malha.yaml:6:12"), settings["services.a.retry"]);
        Assert.Equal(("off", "default"), settings["services.a.hedge"]);
        Assert.Equal(("off", "default"), settings["services.a.breaker"]);
        Assert.Equal(("2", "malha.yaml:8:38"), settings["routes[0].retry.attempts"]);
        Assert.DoesNotContain("routes[0].retry.budget.ratio", settings.Keys);
        Assert.Equal(("off", "malha.yaml:8:50"), settings["routes[0].hedge"]);
        Assert.Equal(("the service's", "default"), settings["routes[1].retry"]);
    }

    [Theory]
    [InlineData("capacity: 100/s", "concurrency: 50", "retry: off", "hedge: off", "breaker: off")]
    [InlineData("capacity: 0.5/s", "concurrency: off", "retry: {}", "hedge: {}", "breaker: {}")]
    [InlineData(
        "capacity: { rate: 600/min, burst: 120 }", "concurrency: { initial: 30, min: 5, max: 300 }",
        "retry: { attempts: 4, backoff: none, base: 1.5ms, max: 1s, budget: { ratio: 0.1%, floor: 1000/h } }",
        "hedge: { delay: 100ms, hedges: 2 }",
        "breaker: { failures: 40%, consecutive: off, slow: { over: 1s, rate: 60% }, window: 20s, minimum: 10, open: 2.5s..1h, successes: 3, ramp: off }")]
    public void What_explain_shows_reads_back_as_the_same(string capacity, string concurrency, string retry, string hedge, string breaker)
    {
        var text = string.Join('\n', capacity, concurrency, retry, hedge, breaker);
        var settings = ConfigExplainer.List(Yaml.Good(Text(text)), "services.a")
            .Where(setting => Policies.Any(name => setting.Path.StartsWith("services.a." + name, StringComparison.Ordinal)))
            // Words that stand for an absent key.
            .Where(setting => setting.Origin.Length > "default".Length)
            .ToDictionary(setting => setting.Path["services.a.".Length..], setting => setting.Value);
        // A setting with settings below it (concurrency: adaptive) is what they say together.
        var said = settings.Where(setting => !settings.Keys.Any(key => key.StartsWith(setting.Key + ".", StringComparison.Ordinal)));
        Assert.Equal(Service(text), Service(Write(said.Select(setting => (setting.Key, setting.Value)))));
    }

    [Fact]
    public void A_budget_s_floor_is_shown_in_the_period_that_makes_it_short()
    {
        string[] periods = ["s", "min", "h"];
        Gen.Select(Gen.Int[1, 1000], Gen.Int[0, 2]).Sample(
            (count, i) => Assert.InRange(Shown(count, periods[i]).Length, 3, $"{count}/{periods[i]}".Length), seed: "0N0XIzNsQ0O2", iter: 200);
        Assert.Equal("1000/h", Shown(1000, "h"));
        Assert.Equal("1/s", Shown(60, "min"));
        Assert.Equal("1.5/h", Units.ToRate(1.5 / 3600).ToString());

        static string Shown(int count, string period)
        {
            Assert.Null(Units.ReadRate($"{count}/{period}", out var rate));
            var shown = Units.ToRate(rate.PerSecond).ToString();
            Assert.Null(Units.ReadRate(shown, out var again));
            Assert.Equal(rate.PerSecond, again.PerSecond, rate.PerSecond * 1e-9);
            return shown;
        }
    }

    [Fact]
    public void Whatever_a_policy_refuses_is_reported_at_one_of_its_keys()
    {
        var errors = new ErrorList("malha.yaml");
        PolicyRules.CheckCapacity(new(new RateLimitOptions { Limit = -1, Burst = 0 }), errors);
        PolicyRules.CheckConcurrency(new(new ConcurrencyLimitOptions { Min = 0, Max = 10 }), errors);
        PolicyRules.CheckConcurrency(new(new ConcurrencyLimitOptions { Min = 0, Max = -1 }), errors);
        var retry = new RetryOptions { Attempts = 0, Backoff = (BackoffKind)99, Base = TimeSpan.Zero, Max = TimeSpan.MinValue };
        PolicyRules.CheckRetry(new(new RetrySettings(retry, new())), errors);
        PolicyRules.CheckBudget(new(new RetryBudgetOptions { Ratio = 2, FloorPerSecond = -1 }), errors);
        PolicyRules.CheckHedge(new(new HedgingOptions { Delay = TimeSpan.Zero, Hedges = 0 }), errors);
        var breaker = new BreakerOptions
        {
            FailureRatio = 0,
            Consecutive = 0,
            SlowOver = TimeSpan.Zero,
            SlowRatio = 0,
            Window = TimeSpan.Zero,
            Minimum = 0,
            Open = TimeSpan.Zero,
            OpenMax = TimeSpan.MinValue,
            Probes = 0,
            ProbeSuccesses = 9,
            Ramp = TimeSpan.MinValue,
        };
        PolicyRules.CheckBreaker(new(breaker), errors);
        Assert.Equal(
            [
                "rate", "burst", "min", "max", "min", "min", "attempts", "backoff", "base", "base", "ratio", "floor", "delay", "hedges",
                "failures", "consecutive", "slow.over", "slow.rate", "window", "minimum", "open", "open", "probes", "successes", "ramp",
            ],
            errors.ToSorted().Select(error => error.Path));
    }

    [Fact]
    public void A_change_of_a_policy_makes_another_configuration()
    {
        const string keys = "retry: { attempts: 3, budget: 10% }\nbreaker: { slow: { over: 1s } }";
        Assert.Equal(Service(keys), Service(keys));
        Assert.NotEqual(Service(keys), Service(keys.Replace("10%", "11%", StringComparison.Ordinal)));
        Assert.NotEqual(Service(keys), Service(keys.Replace("1s", "2s", StringComparison.Ordinal)));
        Assert.NotEqual(new PolicyOverride<RetryOptions>(null), new PolicyOverride<RetryOptions>(new RetryOptions()));
    }

    private static ServiceConfig Service(string keys) => Yaml.Good(Text(keys)).Services["a"];

    private static string Text(string keys) =>
        Yaml.Edge + "services:\n  a:\n    endpoints: [127.0.0.1:7001]\n" + string.Concat(keys.Split('\n').Select(key => $"    {key}\n"));

    private static Dictionary<string, (string Value, string Origin)> Explain(string text) =>
        ConfigExplainer.List(Yaml.Good(text)).ToDictionary(setting => setting.Path, setting => (setting.Value, setting.Origin));

    /// <summary>Settings by path as the maps that they are.</summary>
    private static string Write(IEnumerable<(string Path, string Value)> settings, string between = "\n") =>
        string.Join(between, settings.GroupBy(setting => setting.Path.Split('.')[0]).Select(group =>
            group.Count() == 1 && group.First().Path == group.Key
                ? $"{group.Key}: {group.First().Value}"
                : $"{group.Key}: {{ {Write(group.Select(setting => (setting.Path[(group.Key.Length + 1)..], setting.Value)), ", ")} }}"));
}
