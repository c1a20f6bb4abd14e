namespace Malha.Bench.Overload.Figures;

/// <summary>When a system is back after a trigger.</summary>
internal static class Recovery
{
    /// <summary>So many good seconds in a row are "back": one good second is luck.</summary>
    public const int GoodSecondsInARow = 5;

    /// <summary>The share of a second's calls that must have been good.</summary>
    public const double GoodShare = 0.95;

    /// <summary>Whole seconds from the end of the trigger to the first of five good seconds in a row; null when there were none.</summary>
    /// <param name="seconds">Calls sent and good in each second of the run, by the second in which they were to be sent.</param>
    /// <param name="end">The second at whose beginning the trigger ended.</param>
    public static int? BackAfter(IReadOnlyList<SecondFigures> seconds, int end)
    {
        var inARow = 0;
        for (var second = end; second < seconds.Count; second++)
        {
            inARow = IsGood(seconds[second]) ? inARow + 1 : 0;
            if (inARow == GoodSecondsInARow)
                return second - GoodSecondsInARow + 1 - end;
        }
        return null;
    }

    private static bool IsGood(SecondFigures second) => second.Sent > 0 && second.Good >= GoodShare * second.Sent;
}
