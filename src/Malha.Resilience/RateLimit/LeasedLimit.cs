namespace Malha.Resilience;

/// <summary>What a lease of a shared limit asks of the store.</summary>
/// <param name="Settle">Requests that were let pass without having been leased; negative: leased ones that come back.</param>
/// <param name="Want">Requests to lease.</param>
public readonly record struct LeaseRequest(long Settle, long Want)
{
    public bool IsEmpty => Settle == 0 && Want == 0;
}

/// <summary>What the store said to it.</summary>
/// <param name="Granted">Requests leased, at most what was wanted.</param>
/// <param name="Available">Requests that were left in the bucket after it.</param>
/// <param name="Ahead">How far the bucket's theoretical arrival time is ahead of the store's clock: until the whole burst is there again.</param>
public readonly record struct LeaseGrant(long Granted, long Available, TimeSpan Ahead);

/// <summary>
/// One gateway's part of a limit that several share (a GCRA bucket in a store), for one client. Requests are judged here, at once, by what was leased
/// ahead; many times a second the lease is settled and renewed. The sum of all gateways' requests is the bucket's, except for what each lets pass before it
/// has heard of the others: at most its part of what is in the bucket, which the next settling takes out, so that the rate holds.
/// </summary>
/// <remarks>
/// A lease is twice what was asked since the last settling; more comes back. While the bucket gives all that is wanted, a gateway may go on beyond its
/// lease into an even part of what is left: else a burst would wait for the store. While it does not, only leases pass: the store divides what comes in.
/// </remarks>
public sealed class LeasedLimit
{
    private readonly Lock _lock = new();
    private long _lease;
    private long _free;
    private long _owed;
    private long _asked;
    private long _wanted;
    private TimeSpan _ahead;
    private Moment _settledAt;
    private Moment _usedAt;
    private bool _isHurried;

    /// <param name="limit">The whole limit.</param>
    /// <param name="gateways">How many share it: what may pass before the store is heard is an even part of the burst, at least one.</param>
    /// <param name="now">Its first use.</param>
    public LeasedLimit(Gcra limit, int gateways, Moment now)
    {
        ArgumentNullException.ThrowIfNull(limit);
        _free = Math.Max(1, limit.Burst / Math.Max(1, gateways));
        _settledAt = _usedAt = now;
    }

    /// <summary>When it was asked last: one that nobody asks any more is given up.</summary>
    public Moment UsedAt
    {
        get
        {
            lock (_lock)
                return _usedAt;
        }
    }

    /// <summary>Takes <paramref name="cost"/> if it is there.</summary>
    /// <param name="limit">The whole limit.</param>
    /// <param name="now">When.</param>
    /// <param name="cost">What the request counts.</param>
    /// <param name="hurries">Becomes true when the store should be asked now, not at the next turn: what was leased runs out.</param>
    public RateLimitDecision TryTake(Gcra limit, Moment now, int cost, ref bool hurries)
    {
        ArgumentNullException.ThrowIfNull(limit);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(cost);
        lock (_lock)
        {
            _asked += cost;
            _usedAt = now;
            var left = _lease + _free;
            var isAllowed = left >= cost;
            if (isAllowed)
                Take_NeedsLock(cost);
            // Once between two settlings, and not while others have taken all there is.
            var isSoon = !_isHurried && _free > 0 && _lease + _free <= _wanted / 2;
            _isHurried |= isSoon;
            hurries |= isSoon;
            return isAllowed
                ? new RateLimitDecision { Allowed = true, Remaining = _lease + _free, ResetAfter = Reset_NeedsLock(limit, now, cost) }
                : new RateLimitDecision { Remaining = left, RetryAfter = Wait_NeedsLock(limit, now, cost), ResetAfter = Reset_NeedsLock(limit, now, 0) };
        }
    }

    /// <summary>Puts back what another limit's refusal made useless.</summary>
    public void GiveBack(int cost)
    {
        lock (_lock)
        {
            // What was owed first: it has not been told to anybody.
            var back = Math.Min(cost, Math.Max(0, _owed));
            _owed -= back;
            _free += back;
            _lease += cost - back;
            _asked -= cost;
        }
    }

    /// <summary>What is left, with nothing taken.</summary>
    public RateLimitDecision Peek(Gcra limit, Moment now)
    {
        ArgumentNullException.ThrowIfNull(limit);
        lock (_lock)
            return new RateLimitDecision { Allowed = true, Remaining = _lease + _free, ResetAfter = Reset_NeedsLock(limit, now, 0) };
    }

    /// <summary>Begins a settling; <see cref="Settled"/> must follow, or the lease be thrown away.</summary>
    public LeaseRequest Prepare(Gcra limit)
    {
        ArgumentNullException.ThrowIfNull(limit);
        lock (_lock)
        {
            var target = Math.Min(limit.Burst, 2 * _asked);
            var settle = _owed - Math.Max(0, _lease - target);
            _lease = Math.Min(_lease, target);
            _owed = 0;
            _asked = 0;
            _wanted = target - _lease;
            return new LeaseRequest(settle, _wanted);
        }
    }

    /// <summary>The store has answered.</summary>
    /// <param name="grant">What it gives.</param>
    /// <param name="gateways">How many share the limit.</param>
    /// <param name="now">When it answered.</param>
    public void Settled(in LeaseGrant grant, int gateways, Moment now)
    {
        lock (_lock)
        {
            _lease += grant.Granted;
            _free = grant.Granted < _wanted ? 0 : grant.Available / Math.Max(1, gateways);
            _ahead = grant.Ahead;
            _settledAt = now;
            _isHurried = false;
        }
    }

    private void Take_NeedsLock(int cost)
    {
        var leased = Math.Min(_lease, cost);
        _lease -= leased;
        _free -= cost - leased;
        _owed += cost - leased;
    }

    private TimeSpan Ahead_NeedsLock(Moment now)
    {
        var passed = now - _settledAt;
        return passed < _ahead ? _ahead - passed : TimeSpan.Zero;
    }

    private TimeSpan Reset_NeedsLock(Gcra limit, Moment now, int cost) => Ahead_NeedsLock(now) + (limit.EmissionTime * cost);

    // When the bucket would have it, if nobody else took it meanwhile; one request's time at least, since others are about.
    private TimeSpan Wait_NeedsLock(Gcra limit, Moment now, int cost)
    {
        if (cost > limit.Burst)
            return Timeout.InfiniteTimeSpan;
        var wait = Ahead_NeedsLock(now) + (limit.EmissionTime * (cost - limit.Burst));
        return wait > limit.EmissionTime ? wait : limit.EmissionTime;
    }
}
