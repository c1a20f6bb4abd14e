namespace Malha.IntegrationTests.Guard;

/// <summary>How many of each kind were judged right, in one line that can be quoted beside the peers' figures.</summary>
internal sealed class VerdictTally
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, (int Right, int All)> _counts = new(StringComparer.Ordinal);

    public int All { get; private set; }

    public int Right { get; private set; }

    public void Count(string kind, bool isRight)
    {
        lock (_lock)
        {
            var (right, all) = _counts.GetValueOrDefault(kind);
            _counts[kind] = (right + (isRight ? 1 : 0), all + 1);
            Right += isRight ? 1 : 0;
            All++;
        }
    }

    public string Summary(string suite, string proxy)
    {
        var kinds = _counts.Select(count => $"{count.Key} {count.Value.Right} of {count.Value.All}");
        return $"{proxy}, {suite}: {Right} right of {All} ({string.Join(", ", kinds)})";
    }
}
