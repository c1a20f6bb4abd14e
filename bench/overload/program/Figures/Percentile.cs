namespace Malha.Bench.Overload.Figures;

internal static class Percentile
{
    /// <summary>The smallest value that at least the share <paramref name="p"/> of all does not exceed (nearest rank); null of none.
    /// Sorts <paramref name="values"/> in place.</summary>
    public static double? Of(long[] values, double p)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(p);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(p, 1);
        if (values.Length == 0)
            return null;
        Array.Sort(values);
        var rank = (int)Math.Ceiling(p * values.Length);
        return values[Math.Max(rank, 1) - 1];
    }
}
