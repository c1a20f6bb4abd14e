using Malha.Proxy.RateLimiting;
using Malha.Resilience;

namespace Malha.Proxy.Identity;

/// <summary>What lives as long as the process of all that is known of callers: what they have used of their limits, and how often they failed.</summary>
internal sealed class CallerStates
{
    public CallerStates(Clock clock)
        : this(clock, new KeyHash(Secret(), Secret()))
    {
    }

    /// <param name="clock">The policies' time line.</param>
    /// <param name="hash">Under a secret, so that nobody can choose names or addresses that meet in the tables.</param>
    public CallerStates(Clock clock, KeyHash hash)
    {
        Clock = clock;
        Hash = hash;
        Limiter = new RateLimiter(hash, new RateLimitStore());
        Failures = new FailureBudget(hash);
    }

    public Clock Clock { get; }

    public KeyHash Hash { get; }

    public RateLimiter Limiter { get; }

    public FailureBudget Failures { get; }

    private static ulong Secret() => Entropy.NextSeed();
}
