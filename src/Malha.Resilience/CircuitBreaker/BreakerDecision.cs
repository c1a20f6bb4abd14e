namespace Malha.Resilience;

/// <summary>What the breaker's own rules say.</summary>
public enum BreakerState
{
    Closed = 0,
    Open = 1,
    HalfOpen = 2,

    /// <summary>Closed, with a growing share of the calls.</summary>
    Ramping = 3,
}

/// <summary>What an operator made of it, for a while.</summary>
public enum BreakerMode
{
    Auto = 0,

    /// <summary>Refuses every call; the rules rest.</summary>
    ForcedOpen = 1,

    /// <summary>Lets every call through; outcomes are counted, but do not open it.</summary>
    ForcedClosed = 2,

    /// <summary>Lets every call through and looks at nothing.</summary>
    Disabled = 3,

    /// <summary>Decides and reports, and lets every call through all the same.</summary>
    Shadow = 4,
}

/// <summary>Which rule spoke.</summary>
public enum BreakerRule
{
    None = 0,
    FailureRatio = 1,
    Consecutive = 2,
    SlowRatio = 3,

    /// <summary>Half-open, and too many probes failed or hung.</summary>
    Probes = 4,

    /// <summary>Half-open, and all probes are under way.</summary>
    ProbesUnderWay = 5,

    /// <summary>Ramping, and this call was not among the share that passes.</summary>
    Ramp = 6,

    /// <summary>An operator's word.</summary>
    Manual = 7,
}

/// <summary>What a call that was let through hands back with its outcome.</summary>
public readonly record struct BreakerPermit
{
    internal int Generation { get; init; }

    /// <summary>Which probe's lease; 0 for an ordinary call.</summary>
    internal int Lease { get; init; }

    /// <summary>Nobody looks at the outcome.</summary>
    internal bool Ignored { get; init; }

    internal Moment Started { get; init; }

    /// <summary>A probe decides whether the breaker closes: it is the last that should be cancelled lightly.</summary>
    public bool IsProbe => Lease != 0;
}

/// <summary>Whether a call may go, and if not, everything that its refusal has to tell.</summary>
public readonly record struct BreakerDecision
{
    public bool Allowed { get; init; }

    /// <summary>In shadow mode: the call goes, though by the rules it would have been refused.</summary>
    public bool WouldRefuse { get; init; }

    /// <summary>For a refusal: the rule that opened the breaker, or that holds the call back now.</summary>
    public BreakerRule Rule { get; init; }

    /// <summary>What that rule measured and what it allows: ratios from 0 to 1, or a number of failures.</summary>
    public double Observed { get; init; }

    public double Limit { get; init; }

    public TimeSpan RetryAfter { get; init; }

    public BreakerPermit Permit { get; init; }
}

/// <summary>A change of state, for logs, metrics and decisions.</summary>
public readonly record struct BreakerTransition(Moment At, BreakerState From, BreakerState To, BreakerRule Rule, double Observed, double Limit, TimeSpan OpenFor);

/// <summary>The breaker as an operator sees it.</summary>
public readonly record struct BreakerSnapshot
{
    public BreakerState State { get; init; }

    public BreakerMode Mode { get; init; }

    /// <summary>How long the operator's word still holds.</summary>
    public TimeSpan ModeLeft { get; init; }

    public BreakerRule Rule { get; init; }

    public double Observed { get; init; }

    public double Limit { get; init; }

    public TimeSpan OpenLeft { get; init; }

    /// <summary>Openings that count towards the next open time.</summary>
    public int Openings { get; init; }

    public long Calls { get; init; }

    public long Failures { get; init; }

    public long Slow { get; init; }

    /// <summary>In flight and past the slow threshold.</summary>
    public int Overdue { get; init; }

    /// <summary>The share of calls that passes: 1 closed, 0 open, in between while ramping.</summary>
    public double Share { get; init; }

    public int Generation { get; init; }
}
