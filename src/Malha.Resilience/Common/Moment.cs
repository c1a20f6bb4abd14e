namespace Malha.Resilience;

/// <summary>
/// A point on a monotonic time line, in ticks of 100 ns since an origin that only its <see cref="Clock"/> knows. It is no date: it never jumps,
/// and it means nothing in another process.
/// </summary>
public readonly record struct Moment(long Ticks) : IComparable<Moment>
{
    /// <summary>Later than every other moment: what never happens.</summary>
    public static Moment Never => new(long.MaxValue);

    public static Moment operator +(Moment at, TimeSpan by) => Add(at, by);

    public static Moment operator -(Moment at, TimeSpan by) => new(at.Ticks - by.Ticks);

    public static TimeSpan operator -(Moment later, Moment earlier) => Subtract(later, earlier);

    public static bool operator <(Moment left, Moment right) => left.Ticks < right.Ticks;

    public static bool operator >(Moment left, Moment right) => left.Ticks > right.Ticks;

    public static bool operator <=(Moment left, Moment right) => left.Ticks <= right.Ticks;

    public static bool operator >=(Moment left, Moment right) => left.Ticks >= right.Ticks;

    /// <summary>Saturates at <see cref="Never"/>, so that "now plus forever" stays forever.</summary>
    public static Moment Add(Moment at, TimeSpan by)
    {
        var ticks = unchecked(at.Ticks + by.Ticks);
        return by.Ticks > 0 && ticks < at.Ticks ? Never : new Moment(ticks);
    }

    public static TimeSpan Subtract(Moment later, Moment earlier) => new(later.Ticks - earlier.Ticks);

    public static Moment Min(Moment left, Moment right) => left < right ? left : right;

    public static Moment Max(Moment left, Moment right) => left > right ? left : right;

    public int CompareTo(Moment other) => Ticks.CompareTo(other.Ticks);
}
