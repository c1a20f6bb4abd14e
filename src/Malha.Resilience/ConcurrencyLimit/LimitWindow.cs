namespace Malha.Resilience;

/// <summary>Sums over the calls of one window.</summary>
internal sealed class LimitWindow
{
    private double _taken;
    private double _idle;
    private double _takenTaken;
    private double _takenIdle;
    private double _idleIdle;
    private double _inFlight;
    private int _dropped;
    private double _held;

    public int Count { get; private set; }

    /// <summary>With what was held back for others.</summary>
    public int MostInUse { get; private set; }

    /// <summary>How many times more seats there are than those that the calls could have.</summary>
    public double Spread => (_inFlight + _held) / Math.Max(1, _inFlight);

    /// <summary>Of the last window that was concluded.</summary>
    public double LastRatio { get; private set; }

    public double Ratio => _idle <= 0 ? 1 : _taken / _idle;

    /// <summary>Standard error of <see cref="Ratio"/>, a ratio of sums, from the scatter of the samples around it.</summary>
    public double RatioError
    {
        get
        {
            var ratio = Ratio;
            var scatter = _takenTaken - 2 * ratio * _takenIdle + ratio * ratio * _idleIdle;
            return _idle <= 0 ? 1 : Math.Sqrt(Math.Max(0, scatter)) / _idle;
        }
    }

    /// <summary>In ticks.</summary>
    public double MeanIdle => Math.Max(1, _idle / Math.Max(1, Count));

    public double MeanInFlight => _inFlight / Math.Max(1, Count);

    public double DroppedShare => _dropped / (double)Math.Max(1, Count);

    public void Add(double taken, double idle, int inFlight, int held, bool dropped)
    {
        Count++;
        _taken += taken;
        _idle += idle;
        _takenTaken += taken * taken;
        _takenIdle += taken * idle;
        _idleIdle += idle * idle;
        _inFlight += inFlight;
        _dropped += dropped ? 1 : 0;
        _held += held;
        MostInUse = Math.Max(MostInUse, inFlight + held);
    }

    public void Rescaled(double ratio) => LastRatio = Math.Max(1, LastRatio / ratio);

    public void Restart()
    {
        LastRatio = Count > 0 ? Ratio : LastRatio;
        (Count, MostInUse, _dropped, _held) = (0, 0, 0, 0);
        (_taken, _idle, _takenTaken, _takenIdle, _idleIdle, _inFlight) = (0, 0, 0, 0, 0, 0);
    }
}
