namespace Malha.Configuration.Reading;

/// <summary>
/// "Did you mean": the nearest of the known names by Damerau-Levenshtein distance (optimal string alignment: insertions, deletions,
/// substitutions and swaps of neighbours count 1 each), when it is near enough to be a slip of the pen.
/// </summary>
internal sealed class Suggestion
{
    /// <summary>Cells of the distance table that one reading may fill: a file of wrong references must not take minutes.</summary>
    private const long Budget = 20_000_000;

    private long _spent;

    public string? Nearest(string written, IEnumerable<string> known)
    {
        if (written.Length is 0 or > 64 || _spent > Budget)
            return null;

        // One slip in a short word, two in a longer one, three in a long one.
        var limit = written.Length <= 4 ? 1 : written.Length <= 8 ? 2 : 3;
        string? nearest = null;
        foreach (var name in known)
        {
            // A name of another length costs a comparison too.
            _spent++;
            if (Math.Abs(name.Length - written.Length) > limit)
                continue;
            _spent += (long)name.Length * written.Length;
            var distance = string.Equals(name, written, StringComparison.OrdinalIgnoreCase) ? 0 : Distance(written, name);
            if (distance > limit || distance >= Math.Max(written.Length, name.Length))
                continue;
            nearest = name;
            if (distance == 0)
                break;
            limit = distance - 1;
        }

        return nearest;
    }

    /// <summary>The optimal string alignment distance.</summary>
    internal static int Distance(string a, string b)
    {
        // Three rows of the table are enough: a swap looks back two.
        Span<int> before = stackalloc int[b.Length + 1], last = stackalloc int[b.Length + 1], row = stackalloc int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++)
            last[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                row[j] = Math.Min(Math.Min(row[j - 1] + 1, last[j] + 1), last[j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }

            var free = before;
            before = last;
            last = row;
            row = free;
        }

        return last[b.Length];
    }
}
