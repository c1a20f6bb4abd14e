namespace Malha.Resilience;

/// <summary>
/// Turns the timestamps of a <see cref="TimeProvider"/>, whatever their frequency, into <see cref="Moment"/>s. Read it once per attempt and hand the
/// moment to every policy: they then agree on what "now" is, and the clock is read once.
/// </summary>
public sealed class Clock
{
    private readonly TimeProvider _time;
    private readonly long _origin;
    private readonly long _divisor;
    private readonly double _ticksPerStamp;

    public Clock(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        _origin = time.GetTimestamp();
        var frequency = time.TimestampFrequency;
        // Linux counts nanoseconds: a whole number of stamps per tick, and a division is exact where a multiplication of doubles drifts.
        _divisor = frequency % TimeSpan.TicksPerSecond == 0 ? frequency / TimeSpan.TicksPerSecond : 0;
        _ticksPerStamp = (double)TimeSpan.TicksPerSecond / frequency;
    }

    /// <summary>Where the time comes from, for those that must arm a timer.</summary>
    public TimeProvider Source => _time;

    public Moment Now => At(_time.GetTimestamp());

    /// <summary>The moment of a timestamp that the same <see cref="TimeProvider"/> gave, for whoever has read it already.</summary>
    public Moment At(long timestamp)
    {
        var stamps = timestamp - _origin;
        return new Moment(_divisor > 0 ? stamps / _divisor : (long)(stamps * _ticksPerStamp));
    }
}
