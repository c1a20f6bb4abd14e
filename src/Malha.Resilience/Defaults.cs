namespace Malha.Resilience;

/// <summary>Every default of this library, in one place, each with its origin.</summary>
public static class Defaults
{
    // ---- Deadline

    /// <summary>Envoy's route timeout.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);

    // ---- Retry

    /// <summary>The first and two more: second retries succeed in 3 % of the cases, third ones in 2 % (dotnet/extensions#7686), so a fourth attempt pays for nothing.</summary>
    public const int RetryAttempts = 3;

    /// <summary>A fat-finger bound; more than this is a loop, not a retry.</summary>
    public const int RetryAttemptsAtMost = 20;

    /// <summary>Fewest calls for the time spent in AWS's comparison.</summary>
    public const BackoffKind RetryBackoff = BackoffKind.ExponentialJitter;

    /// <summary>About one round trip within a region and its processing; AWS's SDKs use 50 ms.</summary>
    public static readonly TimeSpan RetryBase = TimeSpan.FromMilliseconds(50);

    /// <summary>AWS's simulator.</summary>
    public static readonly TimeSpan RetryMax = TimeSpan.FromSeconds(2);

    /// <summary>A caller that waits longer than this beyond its own back-off is better told to come back itself.</summary>
    public static readonly TimeSpan RetryAfterAllowance = TimeSpan.FromSeconds(5);

    // ---- Retry budget

    /// <summary>gRPC's retry throttling earns 0.1 per success; three layers then multiply to 1.33 at most.</summary>
    public const double BudgetRatio = 0.1;

    /// <summary>Finagle grants 10/s; with many gateways in front of one service that is already a load.</summary>
    public const double BudgetFloorPerSecond = 1;

    /// <summary>Finagle's time to live of a deposit.</summary>
    public static readonly TimeSpan BudgetWindow = TimeSpan.FromSeconds(10);

    // ---- Throttle

    /// <summary>Google SRE book, "Handling Overload".</summary>
    public const double ThrottleMultiplier = 2;

    /// <summary>Google SRE book: "over the last two minutes".</summary>
    public static readonly TimeSpan ThrottleWindow = TimeSpan.FromMinutes(2);

    /// <summary>gRPC's retry throttling begins with 10 tokens.</summary>
    public const int ThrottleAcceptedBefore = 10;

    // ---- Rate limit

    /// <summary>Three limits for each of 100,000 clients: 8 MiB of words.</summary>
    public const int RateLimitKeysAtMost = 300_000;

    // ---- Circuit breaker

    /// <summary>resilience4j's failureRateThreshold.</summary>
    public const double BreakerFailureRatio = 0.5;

    /// <summary>Envoy's consecutive_5xx.</summary>
    public const int BreakerConsecutive = 5;

    /// <summary>The same share as for failures: a call that is too slow is as good as failed.</summary>
    public const double BreakerSlowRatio = 0.5;

    /// <summary>Hystrix' rolling statistical window.</summary>
    public static readonly TimeSpan BreakerWindow = TimeSpan.FromSeconds(10);

    /// <summary>Hystrix' request volume threshold.</summary>
    public const int BreakerMinimum = 20;

    /// <summary>Hystrix' sleep window.</summary>
    public static readonly TimeSpan BreakerOpen = TimeSpan.FromSeconds(5);

    /// <summary>Envoy's max_ejection_time.</summary>
    public static readonly TimeSpan BreakerOpenMax = TimeSpan.FromSeconds(300);

    /// <summary>Three of five: one unlucky probe neither closes nor opens.</summary>
    public const int BreakerProbes = 5;

    /// <summary>A bound for the leases, which are searched one by one.</summary>
    public const int BreakerProbesAtMost = 64;

    /// <summary>As long as the first open time: caches cool in proportion to the pause; a service that warms up more slowly holds the ramp back itself.</summary>
    public static readonly TimeSpan BreakerRamp = TimeSpan.FromSeconds(5);

    /// <summary>Long enough to look into something, short enough to be forgotten without harm.</summary>
    public static readonly TimeSpan BreakerManualTimeToLive = TimeSpan.FromMinutes(10);

    // ---- Concurrency limit

    /// <summary>Netflix' concurrency-limits; a burst of 20 after idleness is served.</summary>
    public const int LimitInitial = 20;

    /// <summary>A service that gets no call at all can show nothing.</summary>
    public const int LimitMin = 1;

    /// <summary>Beyond it the connections cost more than the calls; Netflix' default is 1,000.</summary>
    public const int LimitMax = 4_000;

    /// <summary>As many as a half-open breaker's probes: with fewer at a time nobody could tell that the service is back.</summary>
    public const int SlowStartAtLeast = 5;

    /// <summary>CoDel's target: latency below it is no sign of a queue.</summary>
    public static readonly TimeSpan LimitQuickEnough = TimeSpan.FromMilliseconds(5);

    // ---- Admission

    /// <summary>"Fail at Scale": the queue empties within 100 ms or stands.</summary>
    public static readonly TimeSpan AdmissionWait = TimeSpan.FromMilliseconds(100);

    /// <summary>"Fail at Scale": 5 ms.</summary>
    public static readonly TimeSpan AdmissionStandingWait = TimeSpan.FromMilliseconds(5);

    /// <summary>"Fail at Scale": 100 ms.</summary>
    public static readonly TimeSpan AdmissionStandingAfter = TimeSpan.FromMilliseconds(100);

    /// <summary>What a person takes for an interruption, not for a failure.</summary>
    public static readonly TimeSpan AdmissionPatientWait = TimeSpan.FromSeconds(1);

    /// <summary>A wheel that ticks every 10 ms is late by less; a processor that others use is not.</summary>
    internal static readonly TimeSpan AdmissionPause = TimeSpan.FromMilliseconds(25);

    /// <summary>A pool of connections of usual size; an overload fills it within a moment.</summary>
    public const int AdmissionStartingQueue = 100;

    /// <summary>A tenth of a second of 10,000 calls/s.</summary>
    public const int AdmissionQueue = 1_000;

    /// <summary>Every class is looked at for every seat.</summary>
    public const int AdmissionClassesAtMost = 16;

    /// <summary>The unit of Retry-After; a service that is full is full for longer than a call takes.</summary>
    public static readonly TimeSpan AdmissionRetryAfter = TimeSpan.FromSeconds(1);

    // ---- Bulkhead

    /// <summary>Envoy's max_connections.</summary>
    public const int BulkheadConnections = 1024;

    /// <summary>Envoy's max_pending_requests.</summary>
    public const int BulkheadPending = 1024;

    // ---- Hedging

    /// <summary>"The Tail at Scale": one more is enough.</summary>
    public const int HedgingHedges = 1;

    /// <summary>gRPC's limit of hedged attempts is 5 in all.</summary>
    public const int HedgingHedgesAtMost = 4;

    /// <summary>Below a millisecond the hedge costs more than it saves.</summary>
    public static readonly TimeSpan HedgingDelayAtLeast = TimeSpan.FromMilliseconds(1);

    // ---- Health

    /// <summary>HAProxy's rise.</summary>
    public const int HealthRise = 2;

    /// <summary>HAProxy's fall.</summary>
    public const int HealthFall = 3;

    /// <summary>nginx' health_check interval.</summary>
    public static readonly TimeSpan HealthEvery = TimeSpan.FromSeconds(5);

    /// <summary>The example of nginx' slow_start.</summary>
    public static readonly TimeSpan HealthSlowStart = TimeSpan.FromSeconds(30);

    // ---- Outlier detection

    /// <summary>Envoy's interval.</summary>
    public static readonly TimeSpan OutlierWindow = TimeSpan.FromSeconds(10);

    /// <summary>As for the breaker: fewer calls prove nothing.</summary>
    public const int OutlierMinimum = 20;

    /// <summary>A difference that a caller would notice.</summary>
    public const double OutlierGap = 0.2;

    /// <summary>The test is made at every failure, many times a second: at Envoy's 1.9, made every 10 s, chance alone would eject.</summary>
    public const double OutlierDeviations = 4;

    /// <summary>Envoy's base_ejection_time.</summary>
    public static readonly TimeSpan OutlierEjection = TimeSpan.FromSeconds(30);

    /// <summary>Envoy's max_ejection_time.</summary>
    public static readonly TimeSpan OutlierEjectionMax = TimeSpan.FromSeconds(300);

    /// <summary>Envoy's max_ejection_percent.</summary>
    public const double OutlierEjectedAtMost = 0.1;
}
