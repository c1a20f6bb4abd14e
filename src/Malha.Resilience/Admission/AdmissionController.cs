namespace Malha.Resilience;

/// <summary>
/// Lets calls to one service: a total limit (fixed or adaptive), shares of it by class, the service's capacity, and a short queue per class.
/// <para>Shares: a class below its nominal seats starts at once when one is free and comes first, in order of priority, when one falls free. Above it, it
/// borrows: seats that no other class holds back. A class holds back what it is guaranteed and does not lend, and of the lendable rest what it has
/// wanted lately; so borrowed seats come back within one call's time, and a class that floods takes nothing from those that use their share.</para>
/// <para>One short lock; waiters are told outside it; no allocation. Time passes when somebody calls: <see cref="NextEvent"/> says when
/// <see cref="Advance"/> is due if nobody does.</para>
/// </summary>
public sealed class AdmissionController
{
    private readonly Lock _lock = new();
    private readonly InFlight _inFlight;
    private AdmissionOptions _options;
    private WaitQueue[] _queues;
    private DemandMeter[] _demand;
    private int[] _nominal;
    private int[] _held;
    private double _shareSum;
    private Gcra? _capacity;
    private double _capacityShare = 1;
    private long _capacityWord;
    private long _asked;
    private int _waiting;
    private bool _hasStarted;

    /// <summary>When somebody who waits was to be looked at next; and until when nobody's wait ends, since that came late.</summary>
    private Moment _due = Moment.Never;
    private Moment _sparedUntil = new(long.MinValue / 2);

    public AdmissionController(AdmissionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var classes = options.Classes.Count;
        _options = options;
        _inFlight = new InFlight(options.Limit, Defaults.AdmissionClassesAtMost);
        _queues = Enumerable.Range(0, classes).Select(_ => new WaitQueue()).ToArray();
        _demand = new DemandMeter[classes];
        _nominal = new int[classes];
        _held = new int[classes];
        _shareSum = options.Classes.Sum(c => c.Share);
        _capacity = PartOf(options.Capacity, _capacityShare);
    }

    public AdmissionOptions Options => Volatile.Read(ref _options);

    public int Limit
    {
        get
        {
            lock (_lock)
                return _inFlight.Limit;
        }
    }

    public int InFlight
    {
        get
        {
            lock (_lock)
                return _inFlight.Count;
        }
    }

    public int Waiting
    {
        get
        {
            lock (_lock)
                return _waiting;
        }
    }

    /// <summary>What of its limit the service gets: less than 1 while it starts slowly, but never less than a few calls at a time.</summary>
    public double Share
    {
        get
        {
            lock (_lock)
                return _inFlight.Share;
        }
    }

    /// <summary>What an answer takes at present; 0 while nothing is known.</summary>
    public TimeSpan TypicalLatency
    {
        get
        {
            lock (_lock)
                return _inFlight.Typical;
        }
    }

    /// <summary>The whole as an operator sees it.</summary>
    public AdmissionSnapshot Snapshot(Moment now)
    {
        lock (_lock)
        {
            _inFlight.Advance(now);
            return new AdmissionSnapshot
            {
                Limit = _inFlight.Limit,
                InFlight = _inFlight.Count,
                Abandoned = _inFlight.Abandoned,
                Waiting = _waiting,
                TypicalLatency = _inFlight.Typical,
            };
        }
    }

    /// <summary>When <see cref="Advance"/> is due if nothing happens before; <see cref="Moment.Never"/> while nobody waits.</summary>
    public Moment NextEvent(Moment now)
    {
        lock (_lock)
        {
            if (_waiting == 0)
                return Moment.Never;
            var next = Moment.Min(_inFlight.NextLapse, NextExpiry_NeedsLock(now));
            if (_capacity is { } capacity && capacity.Judge(_capacityWord, now, 1, out _) is { Allowed: false } refused)
                next = Moment.Min(next, now + refused.RetryAfter);
            return Moment.Max(next, now);
        }
    }

    /// <summary>
    /// New settings in place: calls in flight, the limit found and the capacity's word stay. Classes keep their place in the order; waiters of a class that is
    /// gone are refused.
    /// </summary>
    public void Update(AdmissionOptions options, Moment now)
    {
        ArgumentNullException.ThrowIfNull(options);
        var decided = default(DecidedWaiters);
        lock (_lock)
        {
            var classes = options.Classes.Count;
            for (var gone = classes; gone < _queues.Length; gone++)
            {
                while (_queues[gone].Oldest is { } waiter)
                    Decide_NeedsLock(waiter, Refusal_NeedsLock(AdmissionVerdict.Cancelled, gone, waiter.Since, now), ref decided);
            }

            var kept = _queues.Length;
            Array.Resize(ref _queues, classes);
            for (var added = kept; added < classes; added++)
                _queues[added] = new WaitQueue();
            Array.Resize(ref _demand, classes);
            Array.Resize(ref _nominal, classes);
            Array.Resize(ref _held, classes);
            _shareSum = options.Classes.Sum(c => c.Share);
            _capacity = PartOf(options.Capacity, _capacityShare);
            _options = options;
            _inFlight.Update(options.Limit);
            Dispatch_NeedsLock(now, ref decided);
        }

        decided.Tell();
    }

    /// <summary>Calls that have asked to be let to the service, whatever became of them.</summary>
    public long Asked => Interlocked.Read(ref _asked);

    /// <summary>How much of the capacity this program may use, when others use the same service.</summary>
    /// <param name="share">Above 0, up to 1.</param>
    /// <param name="now">When.</param>
    public void SetCapacityShare(double share, Moment now)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(share);
        var decided = default(DecidedWaiters);
        lock (_lock)
        {
            if (_capacityShare == share)
                return;
            _capacityShare = share;
            _capacity = PartOf(_options.Capacity, share);
            Dispatch_NeedsLock(now, ref decided);
        }

        decided.Tell();
    }

    /// <summary>The service starts slowly, or has started.</summary>
    /// <param name="share">From 0 to 1.</param>
    /// <param name="now">When.</param>
    public void SetShare(double share, Moment now)
    {
        var decided = default(DecidedWaiters);
        lock (_lock)
        {
            if (_inFlight.Share == share)
                return;
            _inFlight.Share = share;
            Pass_NeedsLock(now, ref decided);
        }

        decided.Tell();
    }

    /// <summary>
    /// Asks for one attempt. <see cref="AdmissionVerdict.Queued"/> means that <paramref name="waiter"/> will be told; without a waiter nothing is queued.
    /// A permit that is handed out comes back through <see cref="Release"/> or <see cref="Abandon"/> exactly once.
    /// </summary>
    public AdmissionDecision TryAdmit(int shareClass, AdmissionWaiter? waiter, Deadline deadline, Moment now)
    {
        var decided = default(DecidedWaiters);
        AdmissionDecision decision;
        lock (_lock)
        {
            // A class that new settings took away while its call was on its way here.
            shareClass = Math.Min(shareClass, _queues.Length - 1);
            _asked++;
            if (!_hasStarted)
                Start_NeedsLock(now);
            Pass_NeedsLock(now, ref decided);
            decision = Admit_NeedsLock(shareClass, waiter, deadline, now, ref decided);
        }

        decided.Tell();
        return decision;
    }

    /// <summary>At the head of the answer, for an exchange that goes on for long.</summary>
    public void Release(in LimitPermit permit, RouteBaseline route, OutcomeKind outcome, Moment now)
    {
        ArgumentNullException.ThrowIfNull(route);
        var decided = default(DecidedWaiters);
        lock (_lock)
        {
            _inFlight.End(permit, route, outcome, now);
            Measure_NeedsLock(permit.Class, now);
            Pass_NeedsLock(now, ref decided);
        }

        decided.Tell();
    }

    /// <summary>Nobody waits for this attempt any more: it counts on, until <see cref="Answered"/> or for the usual latency.</summary>
    public AbandonedAttempt Abandon(in LimitPermit permit, RouteBaseline route, Moment now)
    {
        ArgumentNullException.ThrowIfNull(route);
        lock (_lock)
            return _inFlight.Abandon(permit, route, now);
    }

    public void Answered(AbandonedAttempt attempt, Moment now)
    {
        var decided = default(DecidedWaiters);
        lock (_lock)
        {
            if (_inFlight.Answered(attempt))
                Pass_NeedsLock(now, ref decided);
        }

        decided.Tell();
    }

    /// <summary>The caller of a waiting call has left; false when it has been decided already, and its decision is on its way.</summary>
    public bool Cancel(AdmissionWaiter waiter, Moment now)
    {
        ArgumentNullException.ThrowIfNull(waiter);
        lock (_lock)
        {
            if (!waiter.Linked)
                return false;
            Unlink_NeedsLock(waiter, now);
            return true;
        }
    }

    /// <summary>Lets time pass: waiters expire, abandoned attempts cease to count, capacity refills.</summary>
    public void Advance(Moment now)
    {
        var decided = default(DecidedWaiters);
        lock (_lock)
            Pass_NeedsLock(now, ref decided);
        decided.Tell();
    }

    private void Start_NeedsLock(Moment now)
    {
        _hasStarted = true;
        foreach (var queue in _queues)
            queue.StartsUntil = now + _options.StartingFor;
    }

    private void Pass_NeedsLock(Moment now, ref DecidedWaiters decided)
    {
        _inFlight.Advance(now);
        if (_waiting == 0)
            return;
        // Late by more than any timer is: the machine has paused, and with it whoever would have freed a seat. Those who waited meanwhile are not refused for
        // it, before what has come in has been looked at.
        if (now - _due > Defaults.AdmissionPause)
            _sparedUntil = now + Defaults.AdmissionPause;
        Dispatch_NeedsLock(now, ref decided);
        Expire_NeedsLock(now, ref decided);
        _due = NextExpiry_NeedsLock(now);
    }

    /// <summary>When the first wait ends.</summary>
    private Moment NextExpiry_NeedsLock(Moment now)
    {
        var next = Moment.Never;
        foreach (var queue in _queues)
        {
            if (queue.Oldest is { } oldest)
                next = Moment.Min(next, oldest.Since + queue.Wait(_options, now));
        }

        return next == Moment.Never ? next : Moment.Max(next, _sparedUntil);
    }

    private AdmissionDecision Admit_NeedsLock(int shareClass, AdmissionWaiter? waiter, Deadline deadline, Moment now, ref DecidedWaiters decided)
    {
        if (!deadline.CanMeet(now, _inFlight.Typical))
            return Refusal_NeedsLock(AdmissionVerdict.DeadlineTooNear, shareClass, now, now);

        var queue = _queues[shareClass];
        Seats_NeedsLock();
        if (queue.Count == 0 && MayStart_NeedsLock(shareClass) && TakeCapacity_NeedsLock(now))
            return Grant_NeedsLock(shareClass, now, now);
        if (waiter is null || _options.Queue == 0)
            return Refusal_NeedsLock(Cause_NeedsLock(shareClass), shareClass, now, now);

        if (queue.Count >= _options.Queue)
        {
            // While the queue stands the oldest would not be served anyhow.
            if (!queue.Stands(_options, now))
                return Refusal_NeedsLock(AdmissionVerdict.QueueFull, shareClass, now, now);
            var oldest = queue.Oldest!;
            Decide_NeedsLock(oldest, Refusal_NeedsLock(AdmissionVerdict.QueueFull, shareClass, oldest.Since, now), ref decided);
        }

        waiter.Class = shareClass;
        waiter.Deadline = deadline;
        queue.Add(waiter, now);
        _waiting++;
        _due = _waiting == 1 ? NextExpiry_NeedsLock(now) : Moment.Min(_due, now + queue.Wait(_options, now));
        Measure_NeedsLock(shareClass, now);
        return new AdmissionDecision { Verdict = AdmissionVerdict.Queued };
    }

    private void Dispatch_NeedsLock(Moment now, ref DecidedWaiters decided)
    {
        while (_waiting > 0 && _inFlight.Count < _inFlight.FullLimit)
        {
            Seats_NeedsLock();
            var shareClass = NextClass_NeedsLock();
            if (shareClass < 0)
                return;

            var waiter = _queues[shareClass].Next(_options, now);
            if (!waiter.Deadline.CanMeet(now, _inFlight.Typical))
            {
                Decide_NeedsLock(waiter, Refusal_NeedsLock(AdmissionVerdict.DeadlineTooNear, shareClass, waiter.Since, now), ref decided);
                continue;
            }

            // Who is here only because nobody looked in time, after a pause of the machine, is not sent away from a free seat.
            if (now - waiter.Since > _options.PatientWait)
            {
                Decide_NeedsLock(waiter, Refusal_NeedsLock(Cause_NeedsLock(shareClass), shareClass, waiter.Since, now), ref decided);
                _queues[shareClass].Expired(now);
                continue;
            }

            if (!TakeCapacity_NeedsLock(now))
                return;
            _queues[shareClass].Served(now);
            Decide_NeedsLock(waiter, Grant_NeedsLock(shareClass, waiter.Since, now), ref decided);
        }
    }

    /// <summary>First who is below its guarantee, then who may borrow; in order of priority.</summary>
    private int NextClass_NeedsLock()
    {
        for (var i = 0; i < _queues.Length; i++)
        {
            if (_queues[i].Count > 0 && _inFlight[i] < _nominal[i] && MayStart_NeedsLock(i))
                return i;
        }

        for (var i = 0; i < _queues.Length; i++)
        {
            if (_queues[i].Count > 0 && MayStart_NeedsLock(i))
                return i;
        }

        return -1;
    }

    private bool MayStart_NeedsLock(int shareClass)
    {
        // A trial of the adaptive limit is at the expense of the others, not of the most important class.
        var exempt = shareClass == 0 && _nominal.Length > 1 && _inFlight[0] < _nominal[0];
        if (_inFlight.Count >= (exempt ? _inFlight.FullLimit : _inFlight.Limit))
            return false;
        if (_inFlight[shareClass] < _nominal[shareClass])
            return true;

        return _inFlight.Count + HeldFromOthers_NeedsLock(shareClass) < _inFlight.Limit;
    }

    private int HeldFromOthers_NeedsLock(int shareClass)
    {
        var held = 0;
        for (var i = 0; i < _held.Length; i++)
            held += i == shareClass ? 0 : Math.Max(0, _held[i] - _inFlight[i]);
        return held;
    }

    private void Seats_NeedsLock()
    {
        var total = _inFlight.FullLimit;
        for (var i = 0; i < _nominal.Length; i++)
        {
            var shareClass = _options.Classes[i];
            _nominal[i] = Shares.Nominal(total, shareClass.Share, _shareSum);
            var minimum = Shares.Minimum(_nominal[i], shareClass.Lend);
            _held[i] = Math.Max(minimum, Math.Min(_nominal[i], (int)Math.Ceiling(_demand[i].Smooth)));
        }
    }

    private void Expire_NeedsLock(Moment now, ref DecidedWaiters decided)
    {
        if (now < _sparedUntil)
            return;
        for (var i = 0; i < _queues.Length; i++)
        {
            var queue = _queues[i];
            while (queue.Oldest is { } oldest && now - oldest.Since >= queue.Wait(_options, now))
            {
                Decide_NeedsLock(oldest, Refusal_NeedsLock(Cause_NeedsLock(i), i, oldest.Since, now), ref decided);
                queue.Expired(now);
            }
        }
    }

    private bool TakeCapacity_NeedsLock(Moment now) => _capacity is not { } capacity || capacity.TryTake(ref _capacityWord, now).Allowed;

    /// <summary>With a seat free for the class it can only have been the capacity.</summary>
    private AdmissionVerdict Cause_NeedsLock(int shareClass) =>
        _capacity is not null && MayStart_NeedsLock(shareClass) ? AdmissionVerdict.OverCapacity : AdmissionVerdict.Overloaded;

    private AdmissionDecision Grant_NeedsLock(int shareClass, Moment since, Moment now)
    {
        var permit = _inFlight.Take(shareClass, now, shareClass < _held.Length ? HeldFromOthers_NeedsLock(shareClass) : 0);
        Measure_NeedsLock(shareClass, now);
        return new AdmissionDecision { Verdict = AdmissionVerdict.Admitted, Permit = permit, Waited = now - since, Observed = _inFlight.Count, Limit = _inFlight.Limit };
    }

    private AdmissionDecision Refusal_NeedsLock(AdmissionVerdict verdict, int shareClass, Moment since, Moment now)
    {
        if (verdict == AdmissionVerdict.OverCapacity)
            return OverCapacity_NeedsLock(now - since, now);
        var ownShare = _inFlight.Count < _inFlight.Limit && shareClass < _nominal.Length;
        return new AdmissionDecision
        {
            Verdict = verdict,
            Waited = now - since,
            Observed = verdict == AdmissionVerdict.QueueFull ? _options.Queue : ownShare ? _inFlight[shareClass] : _inFlight.Count,
            Limit = verdict == AdmissionVerdict.QueueFull ? _options.Queue : ownShare ? _nominal[shareClass] : _inFlight.Limit,
            RetryAfter = Defaults.AdmissionRetryAfter,
        };
    }

    private static Gcra? PartOf(RateLimitOptions? capacity, double share)
    {
        if (capacity is null)
            return null;
        var whole = new Gcra(capacity);
        return share >= 1 ? whole : new Gcra(capacity with { Limit = capacity.Limit * share, Burst = Math.Max(1, Math.Floor(whole.Burst * share)) });
    }

    // Told as a client's limit is: how much may come at once, and how much would have been taken of it.
    private AdmissionDecision OverCapacity_NeedsLock(TimeSpan waited, Moment now)
    {
        var (judged, burst) = (_capacity!.Judge(_capacityWord, now, 1, out _), _capacity.Burst);
        return new AdmissionDecision
        {
            Verdict = AdmissionVerdict.OverCapacity,
            Waited = waited,
            Observed = (int)Math.Min(int.MaxValue, burst + 1 - judged.Remaining),
            Limit = (int)Math.Min(int.MaxValue, burst),
            RetryAfter = judged.RetryAfter,
        };
    }

    private void Decide_NeedsLock(AdmissionWaiter waiter, in AdmissionDecision decision, ref DecidedWaiters decided)
    {
        Unlink_NeedsLock(waiter, waiter.Since + decision.Waited);
        waiter.Decision = decision;
        decided.Add(waiter);
    }

    private void Unlink_NeedsLock(AdmissionWaiter waiter, Moment now)
    {
        _queues[waiter.Class].Remove(waiter);
        _waiting--;
        Measure_NeedsLock(waiter.Class, now);
    }

    private void Measure_NeedsLock(int shareClass, Moment now)
    {
        if (shareClass < _demand.Length)
            _demand[shareClass].Set(_inFlight[shareClass] + _queues[shareClass].Count, now);
    }
}
