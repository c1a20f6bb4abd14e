namespace Malha.Resilience;

/// <summary>
/// The attempts in flight under one limit, and those that were abandoned: they go on counting until their answer or the close arrives, or for as long as an
/// answer takes at present, since the service may still be working on them. Not synchronized: its owner holds the lock.
/// </summary>
internal sealed class InFlight
{
    private readonly List<(int Id, int Class, Moment Until)> _abandoned = [];
    private readonly int[] _byClass;
    private ConcurrencyLimitOptions _options;
    private AdaptiveLimit? _adaptive;
    private Moment _nextLapse = Moment.Never;
    private double _typical;
    private int _lastId;

    public InFlight(ConcurrencyLimitOptions options, int classes)
    {
        _options = options;
        _byClass = new int[classes];
        _adaptive = options.Fixed is null ? new AdaptiveLimit(options) : null;
    }

    public int Limit => Part(_adaptive?.Limit ?? _options.Fixed!.Value);

    /// <summary>The limit, but for a trial that the adaptive limit makes just now.</summary>
    public int FullLimit => Part(_adaptive?.FullLimit ?? _options.Fixed!.Value);

    /// <summary>What of the limit may be used: less than 1 while the service starts slowly, but never less than a few calls.</summary>
    public double Share { get; set; } = 1;

    public int Count { get; private set; }

    public int Abandoned => _abandoned.Count;

    /// <summary>When the first abandoned attempt stops counting.</summary>
    public Moment NextLapse => _nextLapse;

    /// <summary>What an answer takes at present; 0 while nothing is known.</summary>
    public TimeSpan Typical => new((long)_typical);

    public int this[int shareClass] => _byClass[shareClass];

    /// <summary>Between adaptive and fixed the count goes on, and what was learned stays for as long as the limit is adaptive.</summary>
    public void Update(ConcurrencyLimitOptions options)
    {
        _options = options;
        if (options.Fixed is not null)
            _adaptive = null;
        else if (_adaptive is null)
            _adaptive = new AdaptiveLimit(options);
        else
            _adaptive.Update(options);
    }

    public LimitPermit Take(int shareClass, Moment now, int held = 0)
    {
        _byClass[shareClass]++;
        Count++;
        return new LimitPermit { Started = now, InFlight = Count, Class = shareClass, Held = held, Trial = _adaptive?.Begin(Count) ?? 0 };
    }

    /// <summary>
    /// An attempt has its answer, or its failure. An error is often quicker than an answer, and a refused connection is no work at all: they must not look
    /// like a service with nothing to do.
    /// </summary>
    public void End(in LimitPermit permit, RouteBaseline route, OutcomeKind outcome, Moment now)
    {
        Free(permit.Class);
        var latency = now - permit.Started;
        if (outcome is OutcomeKind.Failure or OutcomeKind.BackPressure or OutcomeKind.ConnectionFailure)
        {
            _adaptive?.Void(permit.Trial, now);
            return;
        }

        var dropped = outcome is OutcomeKind.Timeout or OutcomeKind.Abandoned;
        if (!dropped)
            _typical += (latency.Ticks - _typical) / (_typical <= 0 ? 1 : 16);
        _adaptive?.Sample(latency, route, permit, dropped, now);
    }

    public AbandonedAttempt Abandon(in LimitPermit permit, RouteBaseline route, Moment now)
    {
        _adaptive?.Sample(now - permit.Started, route, permit, dropped: true, now);
        var until = now + Typical;
        _abandoned.Add((++_lastId, permit.Class, until));
        _nextLapse = Moment.Min(_nextLapse, until);
        return new AbandonedAttempt(_lastId);
    }

    /// <summary>The answer to an abandoned attempt, or its close, has come after all; false when it had ceased to count.</summary>
    public bool Answered(AbandonedAttempt attempt)
    {
        for (var i = 0; i < _abandoned.Count; i++)
        {
            if (_abandoned[i].Id != attempt.Id)
                continue;
            Free(_abandoned[i].Class);
            _abandoned[i] = _abandoned[^1];
            _abandoned.RemoveAt(_abandoned.Count - 1);
            return true;
        }

        return false;
    }

    public void Advance(Moment now)
    {
        if (now < _nextLapse)
            return;

        _nextLapse = Moment.Never;
        for (var i = _abandoned.Count - 1; i >= 0; i--)
        {
            if (_abandoned[i].Until > now)
            {
                _nextLapse = Moment.Min(_nextLapse, _abandoned[i].Until);
                continue;
            }

            Free(_abandoned[i].Class);
            _abandoned[i] = _abandoned[^1];
            _abandoned.RemoveAt(_abandoned.Count - 1);
        }
    }

    private int Part(int limit) => Share >= 1 ? limit : Math.Min(limit, Math.Max(Defaults.SlowStartAtLeast, (int)Math.Round(limit * Share)));

    private void Free(int shareClass)
    {
        Count--;
        _byClass[shareClass]--;
    }
}
