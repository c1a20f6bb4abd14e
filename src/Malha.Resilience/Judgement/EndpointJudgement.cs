namespace Malha.Resilience;

/// <summary>The three judgements about one endpoint, each made without the others.</summary>
public readonly record struct EndpointSigns
{
    /// <summary>Outlier detection left it out: it is worse than the others.</summary>
    public bool Ejected { get; init; }

    /// <summary>Its breaker would let a call through.</summary>
    public bool BreakerPermits { get; init; }

    public Health Health { get; init; }

    /// <summary>Real calls to it succeed, whatever the checks say.</summary>
    public bool TrafficSucceeds { get; init; }

    /// <summary>The dependency that a failed check named; empty if it named none.</summary>
    public string? Dependency { get; init; }
}

/// <summary>What the judgements together mean for the service.</summary>
public enum ServiceCondition
{
    Available = 0,

    /// <summary>Some but fewer than half are healthy, and real traffic succeeds on unhealthy ones: those are used too.</summary>
    Panic = 1,

    /// <summary>Instant 503 or deferral: every endpoint that may be used has an open breaker.</summary>
    Open = 2,

    /// <summary>Instant 503 or deferral: no endpoint is healthy.</summary>
    NobodyHealthy = 3,

    /// <summary>The service has no endpoint.</summary>
    Empty = 4,
}

/// <summary>The condition of a service and, if all its endpoints suffer from one thing behind them, which.</summary>
public readonly record struct ServiceVerdict(ServiceCondition Condition, int Usable, string? DegradedBecauseOf)
{
    public bool IsUnavailable => Condition >= ServiceCondition.Open;
}

/// <summary>
/// Combines ejection, breaker and active health into who may get a call. Health is asked first: an unhealthy endpoint gets nothing, except in panic, and
/// except when all fail because of one common dependency, which is not theirs. Then the breaker, which is never capped: no permit, no call. Ejection last,
/// since it only compares: when nobody else is left an ejected endpoint is better than none.
/// </summary>
public static class EndpointJudgement
{
    /// <param name="signs">One per endpoint.</param>
    /// <param name="usable">Set for each endpoint that may get the call.</param>
    public static ServiceVerdict Decide(ReadOnlySpan<EndpointSigns> signs, Span<bool> usable)
    {
        usable[..signs.Length].Clear();
        if (signs.IsEmpty)
            return new ServiceVerdict(ServiceCondition.Empty, 0, null);

        var (healthy, stillWorking) = Count(signs);
        var cause = healthy == signs.Length ? null : CommonDependency(signs);
        var panic = cause is null && healthy > 0 && healthy * 2 < signs.Length && stillWorking > 0;
        if (cause is null && healthy == 0)
            return new ServiceVerdict(ServiceCondition.NobodyHealthy, 0, null);

        var preferred = 0;
        var ejected = 0;
        for (var i = 0; i < signs.Length; i++)
        {
            var sign = signs[i];
            var counts = sign.Health != Health.Unhealthy || cause is not null || (panic && sign.TrafficSucceeds);
            usable[i] = counts && sign.BreakerPermits;
            if (!usable[i])
                continue;
            preferred += sign.Ejected ? 0 : 1;
            ejected += sign.Ejected ? 1 : 0;
        }

        if (preferred + ejected == 0)
            return new ServiceVerdict(ServiceCondition.Open, 0, cause);

        for (var i = 0; i < signs.Length && preferred > 0; i++)
            usable[i] &= !signs[i].Ejected;
        return new ServiceVerdict(panic ? ServiceCondition.Panic : ServiceCondition.Available, preferred > 0 ? preferred : ejected, cause);
    }

    private static (int Healthy, int StillWorking) Count(ReadOnlySpan<EndpointSigns> signs)
    {
        var healthy = 0;
        var stillWorking = 0;
        foreach (ref readonly var sign in signs)
        {
            healthy += sign.Health == Health.Unhealthy ? 0 : 1;
            stillWorking += sign.Health == Health.Unhealthy && sign.TrafficSucceeds ? 1 : 0;
        }

        return (healthy, stillWorking);
    }

    /// <summary>
    /// Every endpoint that fails its check names the same dependency, and they are at least two and more than half of all. To take them out would empty the
    /// service for a failure that no endpoint can mend.
    /// </summary>
    private static string? CommonDependency(ReadOnlySpan<EndpointSigns> signs)
    {
        string? common = null;
        var failing = 0;
        foreach (ref readonly var sign in signs)
        {
            if (sign.Health != Health.Unhealthy)
                continue;
            if (string.IsNullOrEmpty(sign.Dependency) || (common is not null && !string.Equals(common, sign.Dependency, StringComparison.Ordinal)))
                return null;
            common = sign.Dependency;
            failing++;
        }

        return failing >= 2 && failing * 2 > signs.Length ? common : null;
    }
}
