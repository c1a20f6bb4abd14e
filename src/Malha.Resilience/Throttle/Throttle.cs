namespace Malha.Resilience;

/// <summary>
/// Client-side throttling after the Google SRE book, "Handling Overload": a request is refused locally with probability
/// <c>max(0, (requests − K·accepts)/(requests + 1))</c> over the window. Requests count when the call starts, those refused here included, so that the
/// throttle tightens while callers insist. Only back-pressure is "not accepted"; a call still under way is taken as accepted, since a burst after
/// idleness would otherwise refuse itself before the first answer is in.
/// </summary>
public sealed class Throttle
{
    private const int Requests = 0;
    private const int Accepts = 1;
    private const int Slots = 24;

    private readonly Lock _lock = new();
    private readonly Chance _chance;
    private readonly SlidingWindow _window;
    private ThrottleOptions _options;
    private int _underWay;

    public Throttle(ThrottleOptions options, Chance chance)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _chance = chance;
        _window = new SlidingWindow(2, Slots, options.Window);
    }

    /// <summary>
    /// A throttle that begins only with the first call that was not accepted: those before it were, and <paramref name="accepted"/> of them are taken as known, so
    /// that a few refusals among many calls are no reason to hold anything back.
    /// </summary>
    public Throttle(ThrottleOptions options, Chance chance, int accepted, Moment now)
        : this(options, chance)
    {
        _window.Advance(now);
        _window.Add(Requests, accepted + 1);
        _window.Add(Accepts, accepted);
    }

    public ThrottleOptions Options => Volatile.Read(ref _options);

    /// <summary>The formula itself.</summary>
    public static double RefusalProbability(long requests, long accepts, double multiplier) =>
        Math.Max(0, (requests - multiplier * accepts) / (requests + 1));

    public void Update(ThrottleOptions options, Moment now)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (_lock)
        {
            _options = options;
            _window.Resize(options.Window, now);
        }
    }

    /// <summary>Counts a request; false when it is to be refused here. After true, <see cref="Report"/> must follow once.</summary>
    public bool TryPass(Moment now)
    {
        lock (_lock)
        {
            var probability = Probability_NeedsLock(now);
            _window.Add(Requests, 1);
            if (probability > 0 && _chance.NextDouble() < probability)
                return false;
            _underWay++;
            return true;
        }
    }

    /// <summary>How a call that passed has ended.</summary>
    public void Report(OutcomeKind outcome, Moment now)
    {
        lock (_lock)
        {
            _window.Advance(now);
            _underWay--;
            if (outcome != OutcomeKind.BackPressure)
                _window.Add(Accepts, 1);
        }
    }

    /// <summary>What was asked and what was accepted within the window.</summary>
    public (long Requests, long Accepts) Counts(Moment now)
    {
        lock (_lock)
        {
            _window.Advance(now);
            return (_window[Requests], _window[Accepts] + _underWay);
        }
    }

    public double Probability(Moment now)
    {
        lock (_lock)
            return Probability_NeedsLock(now);
    }

    private double Probability_NeedsLock(Moment now)
    {
        _window.Advance(now);
        return RefusalProbability(_window[Requests], _window[Accepts] + _underWay, _options.Multiplier);
    }
}
