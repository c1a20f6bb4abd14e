namespace Malha.Resilience;

/// <summary>
/// The waiting calls of one class, after "Fail at Scale" (Facebook, ACM Queue 2015): CoDel's idea for requests. While the queue empties now and then, a call
/// waits up to 100 ms and the oldest is next; once it has not been empty for 100 ms it stands: calls wait 5 ms and the newest is next, since the oldest are
/// those whose callers have nearly given up. A queue that only expiry empties still stands: it ends after 100 ms without one.
/// <para>A queue that moves does not stand, however long it has not been empty: by Little's law, one that is short enough to be served within the 5 ms at
/// the pace of the last 100 ms. Callers who always have as many calls under way as they are answered (a closed loop) never let it become empty, and none of
/// them waits for long. Not synchronized.</para>
/// </summary>
internal sealed class WaitQueue
{
    private AdmissionWaiter? _oldest;
    private AdmissionWaiter? _newest;
    private Moment _drained;
    private Moment _period;
    private int _served;
    private int _servedBefore;
    private Moment _lastExpiry = new(long.MinValue / 2);

    /// <summary>Until then nothing is concluded from waiting: a program that has just started, and a service that has, are slow for a moment in ways that pass.</summary>
    public Moment StartsUntil { get; set; } = new(long.MinValue / 2);

    public int Count { get; private set; }

    public AdmissionWaiter? Oldest => _oldest;

    public void Add(AdmissionWaiter waiter, Moment now)
    {
        if (Count == 0)
            _drained = now;
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
        now >= StartsUntil && (now - _lastExpiry < options.StandingAfter || (Count > 0 && now - _drained >= options.StandingAfter)) && !Moves(options, now);

    /// <summary>One of them got what it waited for.</summary>
    public void Served(AdmissionOptions options, Moment now)
    {
        Turn(options, now);
        _served++;
    }

    public TimeSpan Wait(AdmissionOptions options, Moment now) =>
        now < StartsUntil ? options.StartingWait : Stands(options, now) ? options.StandingWait : options.Wait;

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

    private bool Moves(AdmissionOptions options, Moment now)
    {
        Turn(options, now);
        // The next one to come is counted in.
        return (Count + 1) * options.StandingAfter <= Math.Max(_served, _servedBefore) * options.StandingWait;
    }

    private void Turn(AdmissionOptions options, Moment now)
    {
        var passed = now - _period;
        if (passed < options.StandingAfter)
            return;
        _servedBefore = passed < 2 * options.StandingAfter ? _served : 0;
        (_served, _period) = (0, now);
    }

    public void Expired(Moment now) => _lastExpiry = now;
}
