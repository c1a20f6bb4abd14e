using System.Collections.Concurrent;
using Malha.Resilience;

namespace Malha.Proxy.Admission;

/// <summary>
/// Keeps requests from a service that it would only send away: by 429, or by 503 with Retry-After. Every client has a throttle of its own, so that nobody is
/// held back for what the service does not take from somebody else; callers that are nobody in particular share one, and a 429 among them, which means
/// one of them, does not count for all.
/// </summary>
/// <remarks>A client has none until the service first sends it away: before that there is nothing to count, and it costs nothing.</remarks>
internal sealed class ServiceThrottle(GatewayRuntime runtime)
{
    private readonly ConcurrentDictionary<string, CallerThrottle> _callers = new(StringComparer.Ordinal);
    private ThrottleOptions? _options;
    private volatile bool _isNeeded;
    private long _refused;

    /// <summary>Requests that were kept back.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Whose requests may be kept back; nobody's clients have no name.</summary>
    public IReadOnlyDictionary<string, CallerThrottle> Callers => _callers;

    /// <summary>New settings, in place; null: it is off, and forgets.</summary>
    public void Update(ThrottleOptions? options, Moment now)
    {
        Volatile.Write(ref _options, options);
        if (options is null)
        {
            _isNeeded = false;
            _callers.Clear();
        }
        foreach (var caller in _callers.Values)
            caller.Throttle.Update(options!, now);
    }

    /// <summary>What the exchange must pass; null when nobody has sent its caller away.</summary>
    public CallerThrottle? Of(Exchange exchange) => _isNeeded && _callers.TryGetValue(NameOf(exchange), out var caller) ? caller : null;

    /// <summary>The service has sent the caller away.</summary>
    /// <param name="exchange">Whose request it was.</param>
    /// <param name="isBusy">By 503: it takes less from anybody; else the caller asked for more than it may.</param>
    /// <param name="retryAfter">When it may be asked again.</param>
    /// <param name="now">When.</param>
    public void PushedBack(Exchange exchange, bool isBusy, TimeSpan? retryAfter, Moment now)
    {
        var name = NameOf(exchange);
        if (Volatile.Read(ref _options) is not { } options || (!isBusy && name.Length == 0))
            return;
        if (exchange.Throttle is null && !_callers.ContainsKey(name))
        {
            _callers.TryAdd(name, new CallerThrottle(new Throttle(options, runtime.Chance.Fork(), Malha.Resilience.Defaults.ThrottleAcceptedBefore, now)));
            _isNeeded = true;
        }
        exchange.IsPushedBack = true;
        if (retryAfter is { } wait && _callers.TryGetValue(name, out var caller))
            caller.RetryAt = Moment.Max(caller.RetryAt, now + wait);
    }

    /// <summary>Whether the exchange may go on. After true, <see cref="Ended"/> must follow.</summary>
    public bool TryPass(Exchange exchange, CallerThrottle caller, Moment now)
    {
        exchange.IsPushedBack = false;
        if (!caller.Throttle.TryPass(now))
        {
            Interlocked.Increment(ref _refused);
            return false;
        }
        exchange.Throttle = caller;
        return true;
    }

    /// <summary>What the exchange's last attempt told is what counts; once.</summary>
    public static void Ended(Exchange exchange, Moment now)
    {
        exchange.Throttle?.Throttle.Report(exchange.IsPushedBack ? OutcomeKind.BackPressure : OutcomeKind.Success, now);
        exchange.Throttle = null;
    }

    private static string NameOf(Exchange exchange) => exchange.Caller.Client is { IsRecognised: true } client ? client.Name : "";
}

/// <summary>The throttle of one caller before one service.</summary>
internal sealed class CallerThrottle(Throttle throttle)
{
    private long _retryAt = long.MinValue / 2;

    public Throttle Throttle => throttle;

    /// <summary>When the service wants to be asked again, by its last word.</summary>
    public Moment RetryAt
    {
        get => new(Volatile.Read(ref _retryAt));
        set => Volatile.Write(ref _retryAt, value.Ticks);
    }
}
