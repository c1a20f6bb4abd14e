namespace Malha.Resilience;

/// <summary>
/// The waiting calls of one class, after "Fail at Scale" (Facebook, ACM Queue 2015): CoDel's idea for requests. While the queue empties now and then, a call
/// waits up to 100 ms and the oldest is next; once it has not been empty for 100 ms it stands: calls wait 5 ms and the newest is next, since the oldest are
/// those whose callers have nearly given up. A queue that only expiry empties still stands: it ends after 100 ms without one.
/// <para>A queue that moves does not stand, however long it has not been empty: one that by Little's law is served within the 5 ms; or within the 100 ms, and no
/// more calls came in the last 100 ms than were served. Callers who have a fixed number of calls under way (a closed loop) never let it become empty, and to
/// refuse them makes them ask again at once. While it moves a call waits for up to 1 s: if it is not served by then, it was the machine that paused. The pace
/// is the best lately, half as good after 1 s, for the same reason. Not synchronized.</para>
/// </summary>
internal sealed class WaitQueue
{
    private const double Steady = 1.1;

    /// <summary>A half after ten periods.</summary>
    private const double PaceKept = 0.933;
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    /// <summary>More than twice as many as were served, over the last five periods or so, are a crowd.</summary>
    private const double Crowd = 2;
    private const double LatelyKept = 0.8;

    /// <summary>A crowd has gone when nobody gave up for as long as so many take to come, but at least a period and at most five.</summary>
    private const double CrowdAtLeast = 16;
    private const double PeriodsAtMost = 5;

    private AdmissionWaiter? _oldest;
    private AdmissionWaiter? _newest;
    private Moment _drained;
    private Moment _period;
    private int _arrived;
    private int _arrivedBefore;
    private int _served;
    private int _servedBefore;
    private double _arrivedLately;
    private double _servedLately;
    private double _pace;
    private Moment _lastExpiry = new(long.MinValue / 2);

    /// <summary>
    /// Until then nothing is concluded from the waiting of a few: a program that has just started, and a service that has, are slow for a moment in ways that pass.
    /// </summary>
    public Moment StartsUntil { get; set; } = new(long.MinValue / 2);

    public int Count { get; private set; }

    public AdmissionWaiter? Oldest => _oldest;

    public void Add(AdmissionWaiter waiter, Moment now)
    {
        if (Count == 0)
            _drained = now;
        Turn(now);
        _arrived++;
        waiter.Linked = true;
        waiter.Since = now;
        waiter.Newer = null;
        waiter.Older = _newest;
        if (_newest is null)
            _oldest = waiter;
        else
            _newest.Newer = waiter;
        _newest = waiter;
        Count++;
    }

    public bool Stands(AdmissionOptions options, Moment now) =>
        Lingers(options, now) && !Starts(options, now) && !Moves(options, now);

    /// <summary>One of them got what it waited for.</summary>
    public void Served(Moment now)
    {
        Turn(now);
        _served++;
    }

    public TimeSpan Wait(AdmissionOptions options, Moment now) =>
        Starts(options, now) || Moves(options, now) ? options.PatientWait : Lingers(options, now) ? options.StandingWait : options.Wait;

    public AdmissionWaiter Next(AdmissionOptions options, Moment now) => Stands(options, now) ? _newest! : _oldest!;

    public void Remove(AdmissionWaiter waiter)
    {
        if (waiter.Older is null)
            _oldest = waiter.Newer;
        else
            waiter.Older.Newer = waiter.Newer;
        if (waiter.Newer is null)
            _newest = waiter.Older;
        else
            waiter.Newer.Older = waiter.Older;
        waiter.Older = null;
        waiter.Newer = null;
        waiter.Linked = false;
        Count--;
    }

    private bool Lingers(AdmissionOptions options, Moment now) =>
        now - _lastExpiry < options.StandingAfter * StandsOn() || (Count > 0 && now - _drained >= options.StandingAfter);

    /// <summary>Of few calls a crowd is not seen in every period: it would seem to have gone again and again.</summary>
    private double StandsOn() => IsCrowd ? Math.Clamp(CrowdAtLeast / (_arrivedLately * (1 - LatelyKept)), 1, PeriodsAtMost) : 1;

    private bool IsCrowd => _arrivedLately > Crowd * (_servedLately + 1);

    private bool Starts(AdmissionOptions options, Moment now) => now < StartsUntil && Count <= options.StartingQueue;

    private bool Moves(AdmissionOptions options, Moment now)
    {
        Turn(now);
        // The next one to come is counted in.
        var needed = (Count + 1) * Period;
        var pace = Math.Max(_pace, _served);
        return needed <= pace * options.StandingWait || (needed <= pace * options.Wait && !IsCrowd && _arrivedBefore <= _servedBefore * Steady + 1);
    }

    private void Turn(Moment now)
    {
        var periods = (now - _period) / Period;
        if (periods < 1)
            return;
        _pace = Math.Max(_served, _pace) * Math.Pow(PaceKept, Math.Floor(periods) - (_served > _pace ? 1 : 0));
        (_arrivedBefore, _servedBefore) = periods < 2 ? (_arrived, _served) : (0, 0);
        var kept = Math.Pow(LatelyKept, Math.Floor(periods));
        (_arrivedLately, _servedLately) = (_arrivedLately * kept + _arrived, _servedLately * kept + _served);
        (_arrived, _served, _period) = (0, 0, now);
    }

    public void Expired(Moment now) => _lastExpiry = now;
}
