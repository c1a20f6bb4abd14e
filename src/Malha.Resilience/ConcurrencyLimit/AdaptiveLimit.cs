namespace Malha.Resilience;

/// <summary>
/// Finds how many calls a service can work on at once. The core is TCP Vegas as in Netflix' concurrency-limits, on sums instead of single samples: over a
/// window of calls with N in flight when each began, latencies <c>Σlat</c> and their routes' idle latencies <c>Σbase</c>,
/// <c>queue = N·(1 − Σbase/Σlat)</c> is, by Little's law, how many of them waited inside the service. With α = 3·max(1, log10 L), β = 2α (both smaller for
/// L below 9, where three waiting calls would be most of the latency): below α the limit grows, above β it shrinks, by max(1, log10 L) or half the distance
/// to N − queue + (α+β)/2, whichever is more; growth that goes on without any queue is by quarters.
/// <para>What Vegas cannot know is whether a latency that rose is a queue or a slower service. It is tried out: for a moment the limit is halved. If the
/// calls that then begin take as long as before, throughput fell with concurrency and the service is merely slower: that latency is the new base, and the
/// limit comes back. If they take half as long, it was a queue; the limit is halved again until it is none, and what is left is the base. So the base is
/// bounded by what less concurrency shows, and cannot creep up under lasting overload. Trials come before a large cut, soon after the start, and then every
/// 100 latencies, at least 10 s apart; only while the limit is in use.</para>
/// <para>What need not be tried out is how latency rises while calls begin to come to a service that was idle: <see cref="Knee"/> sees it within ten
/// calls. So the start of 20 does not stand in the way of a service with one worker.</para>
/// <para>An answer within CoDel's target is quick enough, whatever it was that took so long: for a service whose answers take less, queues are counted from
/// there on. Its latency moves by more with every pause of a thread, and to hold calls back that would have been answered in time helps nobody.</para>
/// <para>Seats that are held back for classes that do not use them count as in use, and the limit is as much wider: what is in flight is what was found, not the
/// limit.</para>
/// <para>A window ends when the queue is known to half of α, from the scatter of its own samples: ten calls of a service whose work is always the same, a
/// hundred where it is exponential.</para>
/// <para>Regimes: in flight below half the limit: nothing is concluded about the limit, and calls that began with few others teach the base. More than
/// half of a window dropped: the limit shrinks by a tenth and nothing else is concluded, so that a stall does not teach a wrong base.
/// Growth ends at five times what was in flight. Not synchronized: its owner holds the lock.</para>
/// </summary>
internal sealed class AdaptiveLimit
{
    private const int WindowSamplesAtLeast = 10;
    private const int WindowSamplesUsual = 100;
    private const int WindowSamplesAtMost = 1_000;
    private const int TrialSamplesAtLeast = 8;
    private const int TrialSamplesAtMost = 200;
    private const int CutTrialSamplesAtMost = 24;
    private const double BelievedAtOnce = 1.5;
    private const int TrialLatenciesAtMost = 30;
    private static readonly TimeSpan TrialAtMost = TimeSpan.FromMilliseconds(100);
    private static readonly double QuickEnough = Defaults.LimitQuickEnough.Ticks;
    private const double DroppedMost = 0.5;
    private const double DroppedSome = 0.1;
    private const double LargeCut = 0.75;
    private const double DropBackoff = 0.9;
    private const double Growth = 1.25;
    private const int TargetSteps = 8;

    /// <summary>One at work and one that is next, where α and β are too small for that.</summary>
    private const double SeatsAboveServed = 2;

    /// <summary>A ramp from idle to the first limit; what comes later belongs to another time.</summary>
    private const int KneeSamplesAtMost = 40;

    /// <summary>A service that may only have become slower gives less with every step down: small ones, and the fewer calls the lower.</summary>
    private const double CutTrialPart = 0.7;
    private const double CutTrialDivisor = 1.5;
    private const int CutTrialSamplesPerSeat = 2;

    /// <summary>Latency that falls by all but this part of what concurrency fell by was a queue's; a knee in between falls by less.</summary>
    private const double Remainder = 0.3;
    private const double ScatterKept = 0.8;
    private const double BaseWeightAtMost = 2_000;

    /// <summary>How many standard errors make a difference.</summary>
    private const double Significant = 2.5;

    /// <summary>Latency that rises by less than this part of what concurrency did is no queue.</summary>
    private const double RisesLittle = 0.35;
    private const int WindowsBetweenTrials = 4;
    private const int WindowsUntilSecondTrial = 12;
    private const double Same = 0.1;
    private const int TrialEveryLatencies = 100;
    private static readonly TimeSpan TrialEvery = TimeSpan.FromSeconds(10);

    private readonly LimitWindow _window = new();
    private readonly LimitWindow _trial = new();

    /// <summary>Of the calls since the service was last idle, and the most of them at a time; no more is looked at once they have told what they can.</summary>
    private readonly Knee _knee = new();
    private bool _looks;
    private int _most;
    private ConcurrencyLimitOptions _options;
    private double _limit;

    /// <summary>The highest the limit was since the last trial: what large cuts are measured against.</summary>
    private double _limitTried;
    private double _scale = 1;
    private double _typical;
    private bool _grew;
    private bool _probedUp;
    private bool _tried;
    private bool _settled;

    /// <summary>How many calls taught the base what it is, and how much their latencies scatter.</summary>
    private double _baseWeight = 4;
    private double _scatter = 1;
    private (double InFlight, double Ratio) _previous;
    private int _windowsSinceTrial;
    private Moment _lastTrial;

    /// <summary>The limit before the trial that is under way, and what the last window showed at it; 0: no trial.</summary>
    private int _trialLimit;
    private int _trialId;
    private int _trialSize;
    private bool _isCutTrial;
    private int _trialStarted;
    private int _trialEnded;
    private Moment _trialBegan;
    private (double InFlight, double Ratio, double Error, int Count) _first;
    private (double InFlight, double Ratio) _before;

    public AdaptiveLimit(ConcurrencyLimitOptions options)
    {
        _options = options;
        _limit = options.Initial;
        _limitTried = _limit;
    }

    public int Limit => _trialLimit > 0 ? _trialLimit : (int)_limit;

    /// <summary>The limit but for a trial.</summary>
    public int FullLimit => (int)_limit;

    /// <summary>What an answer takes at present.</summary>
    public TimeSpan Typical => new((long)_typical);

    /// <summary>Keeps what was found, within the new bounds.</summary>
    public void Update(ConcurrencyLimitOptions options)
    {
        _options = options;
        _limit = Math.Clamp(_limit, options.Min, options.Max);
    }

    /// <summary>
    /// A call begins as the <paramref name="inFlight"/>th: answers by the trial that it belongs to, or 0. A trial looks at the first so many calls that
    /// begin in it and waits for all of them: those that end first are the quick ones, and would make any service look fast.
    /// </summary>
    public int Begin(int inFlight)
    {
        if (inFlight == 1)
        {
            _knee.Restart();
            (_looks, _most) = (true, 0);
        }

        _most = Math.Max(_most, inFlight);
        if (_trialLimit == 0 || inFlight > _trialLimit || _trialStarted >= _trialSize)
            return 0;
        _trialStarted++;
        return _trialId;
    }

    /// <summary>A call has ended in a way that says nothing about how long work takes.</summary>
    public void Void(int trial, Moment now)
    {
        if (trial != _trialId || _trialLimit == 0)
            return;
        _trialEnded++;
        if (IsTrialDone(now))
            ConcludeTrial(now);
    }

    /// <summary>A call has ended, or is waited for no longer.</summary>
    public void Sample(TimeSpan latency, RouteBaseline route, in LimitPermit permit, bool dropped, Moment now)
    {
        var inFlight = permit.InFlight;
        var ticks = Math.Max(1, latency.Ticks);
        if (route.Ticks <= 0)
            route.Learn(ticks / (_scale * Math.Max(1, _window.LastRatio)));
        else if (!dropped && inFlight <= Math.Max(1, _limit / 4))
        {
            route.Learn(ticks / _scale);
            _baseWeight = Math.Max(_baseWeight, route.Samples);
        }

        // A dropped call adds the time that it was waited for and no work done: total time by calls completed is the mean also of latencies that were cut off.
        var idle = dropped ? 0 : route.Ticks * _scale;
        var taken = (double)ticks;
        if (!dropped)
            _typical += (ticks - _typical) / (_typical <= 0 ? 1 : 16);
        if (!dropped && _looks)
            Look(taken, route, permit);

        if (_trialLimit > 0)
        {
            if (permit.Trial == _trialId)
            {
                _trial.Add(taken, idle, inFlight, permit.Held, dropped);
                _trialEnded++;
            }

            if (IsTrialDone(now))
                ConcludeTrial(now);
            return;
        }

        _window.Add(taken, idle, inFlight, permit.Held, dropped);
        if (IsWindowDone())
            ConcludeWindow(now);
    }

    /// <summary>
    /// A ramp from an idle service to the limit is a trial that costs nothing. It is believed only for a limit that is twice too wide: what is nearer is the
    /// windows' business, and later a latency that rises may as well be that of a slower service.
    /// </summary>
    private void Look(double taken, RouteBaseline route, in LimitPermit permit)
    {
        // Against the first call of the route: what it learned since, from calls that began with few others, may be queue already.
        var first = route.First * _scale;
        // A route that is quick enough when idle says nothing: after a pause of the machine its calls come and end like those of a single worker.
        if (first < QuickEnough)
            return;
        _knee.Add(permit.InFlight, Math.Max(taken, QuickEnough) / first);
        if (_trialLimit > 0 || _knee.Count > KneeSamplesAtMost)
            _looks = false;
        if (!_looks || _most + permit.Held < (int)_limit || !_knee.TryFind(out var workers, out var ratio, out var scatter))
            return;
        var spread = (permit.InFlight + permit.Held) / (double)permit.InFlight;
        var target = Target(workers) * spread;
        if (target > _limit / 2)
            return;
        _looks = false;
        if (_baseWeight < _knee.Count)
        {
            _baseWeight = _knee.Count;
            _scatter = scatter;
            Rescale(ratio * route.First / route.Ticks);
        }

        _limit = Math.Max(target, _options.Min);
        _limitTried = _limit;
        _window.Restart();
    }

    private bool IsWindowDone()
    {
        if (_window.Count < Math.Clamp((int)_limit, WindowSamplesAtLeast, WindowSamplesUsual))
            return false;
        var ratio = Math.Max(1, _window.Ratio);
        return _window.Count >= WindowSamplesAtMost || _window.MeanInFlight * _window.RatioError / (ratio * ratio) <= Thresholds().Alpha / 2;
    }

    /// <summary>All have ended; or one hangs and the others must do.</summary>
    private bool IsTrialDone(Moment now) =>
        (_trialEnded == _trialSize && _trialStarted == _trialSize) || now - _trialBegan > Longer(Typical * TrialLatenciesAtMost, TrialAtMost);

    private void ConcludeWindow(Moment now)
    {
        _windowsSinceTrial++;
        var (inFlight, ratio, error, count) = (_window.MeanInFlight, _window.Ratio, _window.RatioError, _window.Count);
        var (most, dropped, idle, spread) = (_window.MostInUse, _window.DroppedShare, _window.MeanIdle, _window.Spread);
        _window.Restart();
        // A queue makes latencies more alike: what they scatter without one is seen only now and then.
        _scatter = Math.Max(error / ratio * Math.Sqrt(count), _scatter * ScatterKept);

        // Calls that are quicker than idle ones: the base was too high, whatever the load. And concurrency that rose while latency did not: no queue in either.
        var quicker = ratio < 1 && !IsAsKnown(ratio, error);
        var rose = inFlight / Math.Max(1, _previous.InFlight) - 1;
        var flat = _grew && rose > .1 && dropped <= DroppedSome && ratio / _previous.Ratio - 1 < RisesLittle * rose;
        _previous = (inFlight, ratio);
        if (quicker || flat)
        {
            Pool(ratio, error, count);
            _probedUp = false;
            _previous.Ratio = 1;
            ratio = quicker || IsAsKnown(ratio, error) ? 1 : ratio;
        }

        if (most < _limit / 2)
        {
            _grew = false;
            return;
        }

        if (dropped > DroppedMost)
        {
            _limit = Math.Max(_options.Min, _limit * DropBackoff);
            _grew = false;
            return;
        }

        Step((inFlight, Math.Max(1, ratio * Math.Min(1, idle / QuickEnough)), error, count), spread, most, dropped <= DroppedSome, now);
    }

    private void Step((double InFlight, double Ratio, double Error, int Count) seen, double spread, int most, bool whole, Moment now)
    {
        var (inFlight, ratio, _, _) = seen;
        var queue = inFlight * (1 - 1 / ratio);
        var (alpha, beta, step) = Thresholds();
        var distance = Target(inFlight - queue) * spread - _limit;
        var saturated = most >= (int)_limit;
        var uncertain = inFlight * _scatter / Math.Sqrt(_baseWeight);
        var confirmed = uncertain <= alpha / 2;

        // A queue that may be nothing but a base known badly: half as many more tell it cheaply, by whether latency rises with them.
        if (!confirmed && !_probedUp && saturated && whole && queue >= alpha && queue - Significant * uncertain < beta)
        {
            _probedUp = true;
            _grew = true;
            Grow(_limit / 2, most);
            return;
        }

        if (queue < alpha)
        {
            if (saturated && whole)
                Grow(Math.Max(_grew && queue < alpha / 2 ? _limit * (Growth - 1) : step, distance), most);
            _grew = saturated && whole;
        }
        else
        {
            _grew = false;
            var cut = queue > beta ? Math.Max(step, -distance / 2) : 0;
            if (cut > 0 && _limit - cut < _limitTried * LargeCut && _windowsSinceTrial >= WindowsBetweenTrials)
            {
                // A cut to be sure of, not a base to be known well: few calls must do, since every one costs throughput.
                StartTrial(seen, ofCut: true, now);
                return;
            }

            if (!whole)
                cut = Math.Max(cut, _limit * (1 - DropBackoff));

            _limit = Math.Max(_options.Min, _limit - cut);
        }

        if (saturated && IsTrialDue(confirmed, now) && queue >= alpha / 2)
            StartTrial(seen, ofCut: false, now);
    }

    private bool IsTrialDue(bool confirmed, Moment now)
    {
        if (confirmed && _settled)
            return now - _lastTrial >= Longer(TrialEvery, Typical * TrialEveryLatencies);
        return _windowsSinceTrial >= (confirmed ? WindowsUntilSecondTrial : WindowsBetweenTrials);
    }

    private void Grow(double by, int most)
    {
        var cap = Math.Max(_limit, Math.Max(_options.Initial, 5.0 * most));
        _limit = Math.Min(Math.Min(_limit + by, cap), _options.Max);
        _limitTried = Math.Max(_limitTried, _limit);
    }

    private (double Alpha, double Beta, double Step) Thresholds()
    {
        var alpha = Alpha(_limit);
        return (alpha, 2 * alpha, Math.Max(1, Math.Log10(_limit)));
    }

    private static double Alpha(double limit) => Math.Min(3 * Math.Max(1, Math.Log10(limit)), Math.Max(1, limit / 3));

    /// <summary>The limit for a service that works on so many at a time: (α + β)/2 more, with the α and β of that very limit.</summary>
    private static double Target(double served)
    {
        var limit = Math.Max(1, served);
        for (var i = 0; i < TargetSteps; i++)
            limit = served + 1.5 * Alpha(limit);
        return Math.Max(limit, served + SeatsAboveServed);
    }

    private void StartTrial((double InFlight, double Ratio, double Error, int Count) seen, bool ofCut, Moment now)
    {
        _first = seen;
        _isCutTrial = ofCut;
        _lastTrial = now;
        Try(seen.InFlight, seen.Ratio, Math.Min(_limit, seen.InFlight) * (ofCut ? CutTrialPart : 0.5), now);
    }

    /// <summary>As many calls as tell the idle latency closely enough, by their scatter so far.</summary>
    private void Try(double inFlight, double ratio, double limit, Moment now)
    {
        _before = (inFlight, ratio);
        _trialLimit = Math.Max(_options.Min, (int)limit);
        var root = _scatter * _first.InFlight / (.75 * Thresholds().Alpha);
        var most = _isCutTrial ? Math.Clamp(CutTrialSamplesPerSeat * _trialLimit, TrialSamplesAtLeast, CutTrialSamplesAtMost) : TrialSamplesAtMost;
        _trialSize = Math.Clamp((int)(root * root), Math.Max(TrialSamplesAtLeast, Math.Min(most, _trialLimit)), most);
        (_trialStarted, _trialEnded, _trialBegan) = (0, 0, now);
        _trialId++;
        _trial.Restart();
    }

    private void ConcludeTrial(Moment now)
    {
        var (inFlight, ratio, error, dropped) = (_trial.MeanInFlight, _trial.Ratio, _trial.RatioError, _trial.DroppedShare);
        if (dropped <= DroppedMost && _trial.Count >= Math.Min(TrialSamplesAtLeast, _trialSize))
        {
            // Less by as much as the concurrency: it waited in both. Nothing to learn yet, unless this is what is known to be idle.
            var change = ratio / _before.Ratio;
            var share = inFlight / _before.InFlight;
            var waited = change <= share + Remainder * (1 - share) && !(_tried && IsAsKnown(ratio, error));
            if (waited && _trialLimit > Math.Max(1, _options.Min))
            {
                Try(inFlight, ratio, _trialLimit / (_isCutTrial ? CutTrialDivisor : 2), now);
                return;
            }

            // Once it has found the same twice it may rest.
            _settled = Math.Abs(ratio - 1) < Math.Max(Same, error / ratio);

            // What was believed before a deep trial was a queue's latency: it must not be averaged with.
            if (_before.InFlight < _first.InFlight)
                _baseWeight = 0;
            Learn(ratio, error, _trial.Count, ratio);
            _tried = true;
        }
        else
        {
            // Too much was dropped to tell anything but that less is better.
            _limit = Math.Max(_options.Min, _limit * LargeCut);
        }

        _trialLimit = 0;
        _limitTried = _limit;
        _probedUp = false;
        _lastTrial = now;
        _windowsSinceTrial = 0;
        _window.Restart();
    }

    /// <summary>What the trial showed is idle. If its beginning cannot be told from it, that was idle too, and its calls teach as much.</summary>
    private void Learn(double ratio, double error, int count, double ended)
    {
        var both = Math.Sqrt(Square(error) + Square(_first.Error));
        if (Math.Abs(_first.Ratio - ratio) <= 1.5 * both)
            (ratio, count) = ((ratio * count + _first.Ratio * _first.Count) / (count + _first.Count), count + _first.Count);

        var idle = Pool(ratio, error, count);
        var alpha = Alpha(_limit);
        var served = _first.InFlight / Math.Max(1, _first.Ratio / idle);
        // A service that became slower is believed as far as the trial went, or as much as it served a step earlier: from there the limit grows, and every
        // further step is seen.
        var most = idle > BelievedAtOnce ? Math.Min(_limit, Math.Max(_trialLimit + alpha / 2, _before.InFlight * Math.Min(1, ended / _before.Ratio))) : _limit;
        _limit = Math.Clamp(Target(served), _options.Min, Math.Max(most, _options.Min));
    }

    /// <summary>
    /// Whether a ratio differs from the base by no more than what is uncertain about both. Scatter grows with latency, so the question is what scatter an
    /// idle service would show: the ratio's error in proportion to it.
    /// </summary>
    private bool IsAsKnown(double ratio, double error) =>
        _baseWeight > 0 && Math.Abs(ratio - 1) <= Significant * Math.Sqrt(Square(error / ratio) + Square(_scatter) / _baseWeight);

    /// <summary>Idle calls teach the base: they are weighed against what taught it before, or replace it if they contradict it. Answers by how much it moved.</summary>
    private double Pool(double ratio, double error, int count)
    {
        var known = IsAsKnown(ratio, error);
        var by = known ? (_baseWeight + count * ratio) / (_baseWeight + count) : ratio;
        _baseWeight = Math.Min(BaseWeightAtMost, known ? _baseWeight + count : count);
        Rescale(by);
        return by;
    }

    private void Rescale(double ratio)
    {
        _scale = Math.Clamp(_scale * ratio, 1e-6, 1e6);
        _window.Rescaled(ratio);
    }

    private static double Square(double value) => value * value;

    private static TimeSpan Longer(TimeSpan left, TimeSpan right) => left > right ? left : right;
}
