namespace Malha.Resilience;

/// <summary>
/// The tokens from which one caller pays for every attempt beyond the first at one dependency. In the window lie the deposits (the ratio for each first
/// attempt that succeeded) and the withdrawals (1 for each attempt more); balance = floor · window + deposits − withdrawals. So in any stretch of one
/// window there are at most ratio · successes + floor · seconds extra attempts, and when nothing succeeds any more only the floor is left: retries
/// cannot become the outage (the shape of Finagle's RetryBudget, with the successes instead of the requests).
/// </summary>
public sealed class RetryBudget
{
    /// <summary>Counted in thousandths, so that 10 % is exact.</summary>
    private const long Token = 1000;
    private const int Slots = 10;

    private readonly Lock _lock = new();
    private readonly SlidingWindow _net;
    private RetryBudgetOptions _options;
    private long _deposit;
    private long _reserve;

    public RetryBudget(RetryBudgetOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _net = new SlidingWindow(1, Slots, options.Window);
        _options = options;
        Compute_NeedsLock();
    }

    public RetryBudgetOptions Options => Volatile.Read(ref _options);

    public void Update(RetryBudgetOptions options, Moment now)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (_lock)
        {
            _options = options;
            _net.Resize(options.Window, now);
            Compute_NeedsLock();
        }
    }

    /// <summary>A first attempt succeeded. Retries and hedges that succeed earn nothing, else they would pay for themselves.</summary>
    public void OnFirstAttemptSuccess(Moment now)
    {
        lock (_lock)
        {
            _net.Advance(now);
            _net.Add(0, _deposit);
        }
    }

    /// <summary>Takes one extra attempt; false when there is none left.</summary>
    public bool TryTake(Moment now)
    {
        lock (_lock)
        {
            _net.Advance(now);
            if (_reserve + _net[0] < Token)
                return false;
            _net.Add(0, -Token);
            return true;
        }
    }

    /// <summary>Extra attempts that could be made at once, now.</summary>
    public double Balance(Moment now)
    {
        lock (_lock)
        {
            _net.Advance(now);
            return Math.Max(0, (_reserve + _net[0]) / (double)Token);
        }
    }

    private void Compute_NeedsLock()
    {
        _deposit = (long)Math.Round(_options.Ratio * Token);
        _reserve = (long)Math.Round(_options.FloorPerSecond * _options.Window.TotalSeconds * Token);
    }
}
